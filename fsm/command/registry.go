package command

import (
	"fmt"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// The kinds. A number that was released keeps its meaning for ever; one that is retired stays here, unused.
const (
	KindBeginTerm      Kind = 1
	KindInitCluster    Kind = 2
	KindSetLevel       Kind = 3
	KindSetPrimaryKey  Kind = 4
	KindRemoveServer   Kind = 5
	KindCreateUser     Kind = 16
	KindUpdateUser     Kind = 17
	KindDeleteUser     Kind = 18
	KindRehashPassword Kind = 19
	KindResetSuperuser Kind = 20
	KindPrepareKey     Kind = 32
	KindActivateKey    Kind = 33
	KindRetireKey      Kind = 34
	KindRevokeTokens   Kind = 35
	KindResealKey      Kind = 36
)

// spec is what the codec knows about a kind.
type spec struct {
	name string
	// level is the first cluster level at which a leader may emit the kind.
	level int
	// unbound says that the command may be emitted without a term.
	unbound bool
	decode  func(body []byte, blobs [][]byte) (Command, error)
}

var registry = map[Kind]spec{
	KindBeginTerm:      {name: "begin-term", unbound: true, decode: decode[BeginTerm]},
	KindInitCluster:    {name: "init-cluster", unbound: true, decode: decode[InitCluster]},
	KindSetLevel:       {name: "set-level", level: 1, decode: decode[SetLevel]},
	KindSetPrimaryKey:  {name: "set-primary-key", level: 1, decode: decode[SetPrimaryKey]},
	KindRemoveServer:   {name: "remove-server", level: 1, decode: decode[RemoveServer]},
	KindCreateUser:     {name: "create-user", level: 1, decode: decode[CreateUser]},
	KindUpdateUser:     {name: "update-user", level: 1, decode: decode[UpdateUser]},
	KindDeleteUser:     {name: "delete-user", level: 1, decode: decode[DeleteUser]},
	KindRehashPassword: {name: "rehash-password", level: 1, decode: decode[RehashPassword]},
	KindResetSuperuser: {name: "reset-superuser", level: 1, decode: decode[ResetSuperuser]},
	KindPrepareKey:     {name: "prepare-key", level: 1, decode: decode[PrepareKey]},
	KindActivateKey:    {name: "activate-key", level: 1, decode: decode[ActivateKey]},
	KindRetireKey:      {name: "retire-key", level: 1, decode: decode[RetireKey]},
	KindRevokeTokens:   {name: "revoke-tokens", level: 1, decode: decode[RevokeTokens]},
	KindResealKey:      {name: "reseal-key", level: 1, decode: decode[ResealKey]},
}

// String names the kind for logs and metrics.
func (k Kind) String() string {
	if s, ok := registry[k]; ok {
		return s.name
	}
	return fmt.Sprintf("kind-%d", uint16(k))
}

// carrier is a command with bytes that travel beside its JSON.
type carrier interface{ blobs() [][]byte }

// receiver is the same command when it is read.
type receiver interface{ setBlobs(blobs [][]byte) error }

func decode[C Command](body []byte, blobs [][]byte) (Command, error) {
	var c C
	if err := state.Strict(body, &c); err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	r, ok := any(&c).(receiver)
	if !ok && len(blobs) > 0 {
		return nil, fmt.Errorf("%d byte sections, want none", len(blobs))
	}
	if ok {
		if err := r.setBlobs(blobs); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func keyBlobs(k iam.SigningKey) [][]byte { return [][]byte{k.PublicKey, k.Sealed} }

func setKeyBlobs(k *iam.SigningKey, blobs [][]byte) error {
	if len(blobs) != 2 {
		return fmt.Errorf("%d byte sections, want the two halves of a signing key", len(blobs))
	}
	k.PublicKey, k.Sealed = blobs[0], blobs[1]
	return nil
}

func (c InitCluster) blobs() [][]byte                { return keyBlobs(c.SigningKey) }
func (c *InitCluster) setBlobs(blobs [][]byte) error { return setKeyBlobs(&c.SigningKey, blobs) }
func (c PrepareKey) blobs() [][]byte                 { return keyBlobs(c.SigningKey) }
func (c *PrepareKey) setBlobs(blobs [][]byte) error  { return setKeyBlobs(&c.SigningKey, blobs) }

func (c ResealKey) blobs() [][]byte { return [][]byte{c.Sealed} }

func (c *ResealKey) setBlobs(blobs [][]byte) error {
	if len(blobs) != 1 {
		return fmt.Errorf("%d byte sections, want the sealed half of a signing key", len(blobs))
	}
	c.Sealed = blobs[0]
	return nil
}
