package disk

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNoIdentity is LoadIdentity's answer for a fresh directory: no node.json and nothing else of a master.
var ErrNoIdentity = errors.New("the data directory holds no master yet")

// identityFormat is the format number that this version writes and the newest that it reads.
const identityFormat = 1

// identityLimit bounds what LoadIdentity reads, in bytes; five masters need below 1 KiB.
const identityLimit = 1 << 20

// Identity is node.json: who this master is, and what it must never forget about the cluster it belongs to.
type Identity struct {
	ServerID    string            `json:"server_id"`         // 128 random bits in hex; lives and dies with the directory
	Name        string            `json:"name"`              // the operator's name for the machine
	ClusterID   string            `json:"cluster_id"`        // empty until the cluster was formed or joined
	Initialised bool              `json:"initialised"`       // the stores were created; set by Open, never cleared
	Promise     *Promise          `json:"promise,omitempty"` // the first cluster that this master promised to form
	Peers       map[string]string `json:"peers,omitempty"`   // server id → last known peer address
	Level       int               `json:"level"`             // highest cluster level seen
}

// Promise is the one exact set of servers with which this master agreed to form the first cluster.
type Promise struct {
	Servers []string `json:"servers"` // server ids, sorted
}

// identityRecord is the file: the identity between a format number and the SHA-256 of the rest.
type identityRecord struct {
	Format int `json:"format"`
	Identity
	Checksum string `json:"checksum"`
}

// NewIdentity makes a master that never existed before, with a random server id. It is not on disk until Save.
func NewIdentity(name string) Identity {
	var id [16]byte
	rand.Read(id[:])
	return Identity{ServerID: hex.EncodeToString(id[:]), Name: name}
}

// LoadIdentity reads and checks node.json. ErrNoIdentity means a fresh directory; a *Damage that the directory must
// not be used.
func LoadIdentity(dir string) (Identity, error) {
	path := filepath.Join(dir, identityFile)
	data, err := readLimited(path, identityLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, identityMissing(dir, path)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	id, err := decodeIdentity(data)
	if err != nil {
		return Identity{}, damages{dir: dir, initialised: true}.at(path, err, "is damaged")
	}
	return id, nil
}

// identityMissing tells a fresh directory from one that lost its node.json.
func identityMissing(dir, path string) error {
	for _, name := range []string{logFile, tailFile, snapshotsDir} {
		if exists(filepath.Join(dir, name)) {
			return damages{dir: dir, initialised: true}.at(path, nil, "is missing, but %s of a master is there", name)
		}
	}
	return ErrNoIdentity
}

// Save replaces node.json atomically and durably. It refuses to change the server id or a cluster id that is already
// on disk, and never clears Initialised.
func (i Identity) Save(dir string) error {
	old, err := LoadIdentity(dir)
	switch {
	case errors.Is(err, ErrNoIdentity):
	case err != nil:
		return err
	case old.ServerID != i.ServerID:
		return fmt.Errorf("save identity: %s belongs to server %s, not to %s", dir, old.ServerID, i.ServerID)
	case old.ClusterID != "" && old.ClusterID != i.ClusterID:
		return fmt.Errorf("save identity: %s belongs to cluster %s, not to %s", dir, old.ClusterID, i.ClusterID)
	default:
		i.Initialised = i.Initialised || old.Initialised
	}
	if i.ServerID == "" {
		return errors.New("save identity: no server id")
	}
	data, err := encodeIdentity(i)
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	if _, err := decodeIdentity(data); err != nil { // text that is not UTF-8, say
		return fmt.Errorf("save identity: it would not read back: %w", err)
	}
	if err := replaceFile(filepath.Join(dir, identityFile), data); err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	return nil
}

// encodeIdentity gives the one byte sequence that stands for an identity.
func encodeIdentity(i Identity) ([]byte, error) {
	record := identityRecord{Format: identityFormat, Identity: i}
	plain, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(plain)
	record.Checksum = hex.EncodeToString(sum[:])
	data, err := json.MarshalIndent(record, "", "  ")
	return append(data, '\n'), err
}

// decodeIdentity accepts exactly what encodeIdentity writes. Comparing the bytes, rather than the checksum alone,
// also notices what a JSON decoder forgives: the case of a key, white space, a key given twice.
func decodeIdentity(data []byte) (Identity, error) {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return Identity{}, fmt.Errorf("not JSON: %w", err)
	}
	if version.Format > identityFormat {
		return Identity{}, fmt.Errorf("format %d was written by a newer version, or is damaged", version.Format)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var record identityRecord
	if err := dec.Decode(&record); err != nil {
		return Identity{}, err
	}
	want, err := encodeIdentity(record.Identity)
	if err != nil {
		return Identity{}, err
	}
	if !bytes.Equal(data, want) {
		return Identity{}, errors.New("the checksum does not match")
	}
	if record.ServerID == "" {
		return Identity{}, errors.New("no server id")
	}
	return record.Identity, nil
}

// readLimited reads a whole small file; a larger one is an error, not memory.
func readLimited(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, limit)
	}
	return os.ReadFile(path)
}
