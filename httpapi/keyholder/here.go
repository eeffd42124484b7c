package keyholder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"gatehouse/fsm/fault"
)

// hereName is the file of local seals in the data directory.
const hereName = "sealed-here.json"

// here are the stores that somebody sealed on this master alone. It is kept in a file, so that a restart does not undo it.
type here struct {
	path string // "" keeps nothing

	mu     sync.Mutex        // guards epochs and the file
	epochs map[string]uint64 // up to which the store stays sealed here
}

// openHere reads the file; there need not be one.
func openHere(dir string) (*here, error) {
	h := &here{epochs: map[string]uint64{}}
	if dir == "" {
		return h, nil
	}
	h.path = filepath.Join(dir, hereName)
	text, err := os.ReadFile(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &h.epochs)
	}
	if err != nil {
		return nil, fmt.Errorf("read which stores are sealed on this master: %s: %w; delete the file if none are", h.path, err)
	}
	return h, nil
}

// epoch is that up to which a store stays sealed here; 0 if it does not.
func (h *here) epoch(store string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epochs[store]
}

func (h *here) sealed() map[string]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.epochs)
}

// set keeps a store sealed here up to an epoch; 0 ends that. What cannot be written counts all the same until a restart.
func (h *here) set(store string, epoch uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if epoch == 0 {
		delete(h.epochs, store)
	} else {
		h.epochs[store] = max(epoch, h.epochs[store])
	}
	return h.write()
}

// write replaces the file, or removes it when no store is sealed here. The caller holds mu.
func (h *here) write() error {
	if h.path == "" {
		return nil
	}
	if len(h.epochs) == 0 {
		if err := os.Remove(h.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncDir(filepath.Dir(h.path))
	}
	text, err := json.Marshal(h.epochs)
	if err != nil {
		return err
	}
	return replaceFile(h.path, append(text, '\n'))
}

// replaceFile writes a file of mode 0600 that is there as a whole, or not at all, after a power cut.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// SealHere seals a store on this master alone, without asking anybody, and returns the epoch up to which it stays sealed:
// until the store is unsealed anew. Its keys are wiped whatever else fails.
func (h *Holder) SealHere(store string) (epoch uint64, err error) {
	s, ok := h.Machine.State().Store(store)
	if !ok {
		return 0, fault.New(fault.UnknownStore, "Store `%s` does not exist.", store)
	}
	h.Barrier.Refuse(store, s.Epoch)
	h.Logger.Warn("store sealed on this master alone", "store", store, "epoch", s.Epoch)
	if err := h.here.set(store, s.Epoch); err != nil {
		return s.Epoch, fmt.Errorf("keep store %s sealed on this master over a restart: %w", store, err)
	}
	return s.Epoch, nil
}

// forgetHere ends local seals of stores that were unsealed since, or are gone: by a state that is known to be the newest, because
// one that is still being read from the log shows stores that were not sealed or created yet.
func (h *Holder) forgetHere(ctx context.Context) {
	sealed := h.here.sealed()
	if len(sealed) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if h.confirm(ctx) != nil {
		return
	}
	state := h.Machine.State()
	for store, epoch := range sealed {
		if s, ok := state.Store(store); ok && (s.Sealed || s.Epoch <= epoch) {
			continue
		}
		if err := h.here.set(store, 0); err != nil {
			h.Logger.Error("local seal not ended", "store", store, "error", err)
		}
	}
}
