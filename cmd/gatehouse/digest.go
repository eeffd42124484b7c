package main

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
)

// serveDigest says on the admin socket what this master's state amounts to: masters that have applied the same index
// must have the same digest. It reads the whole state, so it is no row of the API.
func (m *master) serveDigest(w http.ResponseWriter, _ *http.Request) {
	state := m.machine.State()
	sum := state.Digest()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	err := json.NewEncoder(w).Encode(struct {
		Index  uint64 `json:"index"`
		Digest string `json:"digest"`
	}{state.Index(), hex.EncodeToString(sum[:])})
	if err != nil {
		m.log.Debug("digest not delivered", "error", err)
	}
}
