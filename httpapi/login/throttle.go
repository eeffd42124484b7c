package login

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"gatehouse/fsm/iam"
)

// The numbers of the failed-login throttle (contract 9: 18). They slow guessing down and never lock anybody out: the longest
// wait is maxPairWait, and attempts that were turned away count for nothing.
const (
	pairFree    = 5                // failures of one uid from one address before a wait is asked for
	maxPairWait = 30 * time.Second // the wait doubles from 1 s up to this
	pairMemory  = 15 * time.Minute // quiet time after which failures are forgotten

	addressBurst  = 100         // failures of one address, whatever the uids, before it is slowed down
	addressRefill = time.Second // one failure is forgiven per this much time

	maxPairs     = 1 << 16
	maxAddresses = 1 << 14
	maxKnown     = 1 << 16
)

// throttle slows down password guessing on one master. Counters live in the memory of that master and are not replicated: N masters
// allow N times the guesses, which changes nothing for a guesser and spares the log an entry per failure.
//
// Two things are counted: failures of (uid, address), and failures of the address over all uids. An attacker at another address
// therefore never makes the owner of a uid wait. A pair that has logged in before is exempt from the address count, so that the
// neighbours behind one NAT address cannot keep each other out either.
type throttle struct {
	mu        sync.Mutex // guards the tables
	pairs     *simplelru.LRU[pairKey, *pairRecord]
	addresses *simplelru.LRU[netip.Prefix, *addressRecord]
	known     *simplelru.LRU[pairKey, struct{}]
}

type pairKey struct {
	uid  string
	from netip.Prefix
}

type pairRecord struct {
	failures int
	last     time.Time // of the latest failure
	until    time.Time // no attempt before
}

// addressRecord is a bucket of failures that leaks one per addressRefill.
type addressRecord struct {
	failures float64
	at       time.Time
}

func newThrottle() *throttle {
	t := &throttle{}
	t.pairs, _ = simplelru.NewLRU[pairKey, *pairRecord](maxPairs, nil)
	t.addresses, _ = simplelru.NewLRU[netip.Prefix, *addressRecord](maxAddresses, nil)
	t.known, _ = simplelru.NewLRU[pairKey, struct{}](maxKnown, nil)
	return t
}

// wait says how long a login attempt has to stay away; zero admits it. An attempt that is admitted although the pair has used
// up its free failures takes the pair's next slot, so that a burst of parallel guesses does not slip through together.
func (t *throttle) wait(uid string, from netip.Addr, now time.Time) time.Duration {
	key := keyOf(uid, from)
	t.mu.Lock()
	defer t.mu.Unlock()
	pair := t.pair(key, now)
	if pair != nil && pair.failures >= pairFree && now.Before(pair.until) {
		return pair.until.Sub(now)
	}
	if over := t.addressWait(key, now); over > 0 {
		return over
	}
	if pair != nil && pair.failures >= pairFree {
		pair.until = now.Add(pairWait(pair.failures))
	}
	return 0
}

// failed counts an attempt whose credentials were wrong.
func (t *throttle) failed(uid string, from netip.Addr, now time.Time) {
	key := keyOf(uid, from)
	t.mu.Lock()
	defer t.mu.Unlock()
	pair := t.pair(key, now)
	if pair == nil {
		pair = &pairRecord{}
		t.pairs.Add(key, pair)
	}
	pair.failures++
	pair.last = now
	if pair.failures >= pairFree {
		pair.until = now.Add(pairWait(pair.failures))
	}
	address, ok := t.addresses.Get(key.from)
	if !ok {
		address = &addressRecord{at: now}
		t.addresses.Add(key.from, address)
	}
	address.failures = address.level(now) + 1
	address.at = now
}

// succeeded forgets the failures of the pair and remembers it as one that knows its password. The address keeps its count: an
// attacker with one account of his own could otherwise clear it at will.
func (t *throttle) succeeded(uid string, from netip.Addr) {
	key := keyOf(uid, from)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairs.Remove(key)
	t.known.Add(key, struct{}{})
}

// pair returns the live record of key, or nil.
func (t *throttle) pair(key pairKey, now time.Time) *pairRecord {
	pair, ok := t.pairs.Get(key)
	if ok && now.Sub(pair.last) > pairMemory {
		t.pairs.Remove(key)
		return nil
	}
	return pair
}

func (t *throttle) addressWait(key pairKey, now time.Time) time.Duration {
	if _, known := t.known.Get(key); known {
		return 0
	}
	address, ok := t.addresses.Get(key.from)
	if !ok {
		return 0
	}
	over := address.level(now) - addressBurst + 1
	if over <= 0 {
		return 0
	}
	return time.Duration(over * float64(addressRefill))
}

func (a *addressRecord) level(now time.Time) float64 {
	return max(0, a.failures-float64(max(0, now.Sub(a.at)))/float64(addressRefill))
}

func pairWait(failures int) time.Duration {
	if shift := failures - pairFree; shift < 5 {
		return time.Second << shift
	}
	return maxPairWait
}

// directoryKey begins the names by which guesses at users of the directory are counted: in lower case, because the directory does not
// tell cases apart, and apart from a local user of the same letters.
const directoryKey = "directory/"

// keyOf shortens what an attacker chooses freely: all uids that can never exist share one record per client, so that a record has a
// bounded size.
func keyOf(uid string, from netip.Addr) pairKey {
	if iam.ValidateUID(strings.TrimPrefix(uid, directoryKey)) != nil {
		uid = ""
	}
	return pairKey{uid: uid, from: ClientOf(from)}
}

// ClientOf is by what clients at an address are counted: the address, of IPv6 the /64, as a host has all of it. It is the zero prefix
// for an address that is not known.
func ClientOf(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := from.BitLen()
	if from.Is6() {
		bits = 64
	}
	prefix, err := from.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
