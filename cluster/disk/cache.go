package disk

import (
	"math"
	"sync"

	"github.com/hashicorp/raft"
)

// Bounds of the cache: how many of the newest entries, and how many bytes of them.
const (
	cacheEntries = 512
	cacheBytes   = 32 << 20
)

// logCache keeps the newest entries in memory as Raft wrote them, so that replication does not read and open them
// again. It differs from raft.LogCache in that it also bounds the bytes (entries may have more than a megabyte), and
// passes errors on as they are. Safe for concurrent use.
type logCache struct {
	raft.LogStore

	mu     sync.RWMutex // guards all below
	ring   [cacheEntries]*raft.Log
	newest uint64 // index stored last
	bytes  int
}

// IsMonotonic tells Raft that gaps are allowed, as in raft-boltdb.
func (c *logCache) IsMonotonic() bool { return false }

// GetLog reads an entry, from memory if it is there. Its byte slices are shared and must not be changed.
func (c *logCache) GetLog(index uint64, log *raft.Log) error {
	c.mu.RLock()
	cached := c.ring[index%cacheEntries]
	c.mu.RUnlock()
	if cached != nil && cached.Index == index {
		*log = *cached
		return nil
	}
	return c.LogStore.GetLog(index, log)
}

// StoreLog stores one entry.
func (c *logCache) StoreLog(log *raft.Log) error { return c.StoreLogs([]*raft.Log{log}) }

// StoreLogs stores entries and keeps them once they are on disk.
func (c *logCache) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	c.forget(logs[0].Index, math.MaxUint64)
	if err := c.LogStore.StoreLogs(logs); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, log := range logs {
		c.drop(log.Index % cacheEntries)
		c.ring[log.Index%cacheEntries] = log
		c.bytes += sizeOf(log)
		c.newest = log.Index
	}
	for i := c.newest - min(c.newest, cacheEntries-1); c.bytes > cacheBytes && i <= c.newest; i++ {
		c.drop(i % cacheEntries)
	}
	return nil
}

// DeleteRange deletes entries.
func (c *logCache) DeleteRange(low, high uint64) error {
	c.forget(low, high)
	return c.LogStore.DeleteRange(low, high)
}

// forget drops a range before it changes on disk: nothing may be read that may no longer be there.
func (c *logCache) forget(low, high uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if low > c.newest {
		return
	}
	for slot, log := range c.ring {
		if log != nil && low <= log.Index && log.Index <= high {
			c.drop(uint64(slot))
		}
	}
}

// drop empties a slot. The mutex is held.
func (c *logCache) drop(slot uint64) {
	if log := c.ring[slot]; log != nil {
		c.bytes -= sizeOf(log)
		c.ring[slot] = nil
	}
}

// sizeOf counts what an entry holds, in bytes.
func sizeOf(log *raft.Log) int { return len(log.Data) + len(log.Extensions) }
