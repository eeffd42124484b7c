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

	// The kinds of level 2.
	KindCreateGroup      Kind = 48
	KindUpdateGroup      Kind = 49
	KindDeleteGroup      Kind = 50
	KindAddMember        Kind = 51
	KindRemoveMember     Kind = 52
	KindCreateACL        Kind = 53
	KindUpdateACL        Kind = 54
	KindDeleteACL        Kind = 55
	KindGrantAction      Kind = 56
	KindRevokeAction     Kind = 57
	KindRevokeAllActions Kind = 58
	KindApplyChanges     Kind = 59
	KindRecordAuditHeads Kind = 64
	KindCreateProvider   Kind = 70
	KindUpdateProvider   Kind = 71
	KindDeleteProvider   Kind = 72
	KindResealProvider   Kind = 73

	// The kinds of level 3.
	KindCreateStore      Kind = 80
	KindUpdateStore      Kind = 81
	KindDeleteStore      Kind = 82
	KindInitStore        Kind = 83
	KindSealStore        Kind = 84
	KindUnsealStore      Kind = 85
	KindRekeyStore       Kind = 86
	KindRotateStore      Kind = 87
	KindDropDataKeys     Kind = 88
	KindResealAuto       Kind = 89
	KindCreateSecret     Kind = 90
	KindUpdateSecret     Kind = 91
	KindDeleteSecret     Kind = 92
	KindUndeleteSecret   Kind = 93
	KindPurgeSecret      Kind = 94
	KindRenewSecret      Kind = 95
	KindExpireSecrets    Kind = 96
	KindReencryptSecrets Kind = 97

	// The kinds of level 4.
	KindPutDirectory    Kind = 74
	KindDeleteDirectory Kind = 75
	KindResealDirectory Kind = 76
	KindAdmitUser       Kind = 77
	KindSyncDirectory   Kind = 78
	KindForgetSubject   Kind = 79
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

	KindCreateGroup:      {name: "create-group", level: 2, decode: decode[CreateGroup]},
	KindUpdateGroup:      {name: "update-group", level: 2, decode: decode[UpdateGroup]},
	KindDeleteGroup:      {name: "delete-group", level: 2, decode: decode[DeleteGroup]},
	KindAddMember:        {name: "add-member", level: 2, decode: decode[AddMember]},
	KindRemoveMember:     {name: "remove-member", level: 2, decode: decode[RemoveMember]},
	KindCreateACL:        {name: "create-acl", level: 2, decode: decode[CreateACL]},
	KindUpdateACL:        {name: "update-acl", level: 2, decode: decode[UpdateACL]},
	KindDeleteACL:        {name: "delete-acl", level: 2, decode: decode[DeleteACL]},
	KindGrantAction:      {name: "grant-action", level: 2, decode: decode[GrantAction]},
	KindRevokeAction:     {name: "revoke-action", level: 2, decode: decode[RevokeAction]},
	KindRevokeAllActions: {name: "revoke-all-actions", level: 2, decode: decode[RevokeAllActions]},
	KindApplyChanges:     {name: "apply-changes", level: 2, decode: decode[ApplyChanges]},
	KindRecordAuditHeads: {name: "record-audit-heads", level: 2, decode: decode[RecordAuditHeads]},
	KindCreateProvider:   {name: "create-provider", level: 2, decode: decode[CreateProvider]},
	KindUpdateProvider:   {name: "update-provider", level: 2, decode: decode[UpdateProvider]},
	KindDeleteProvider:   {name: "delete-provider", level: 2, decode: decode[DeleteProvider]},
	KindResealProvider:   {name: "reseal-provider", level: 2, decode: decode[ResealProvider]},

	KindCreateStore:      {name: "create-store", level: 3, decode: decode[CreateStore]},
	KindUpdateStore:      {name: "update-store", level: 3, decode: decode[UpdateStore]},
	KindDeleteStore:      {name: "delete-store", level: 3, decode: decode[DeleteStore]},
	KindInitStore:        {name: "init-store", level: 3, decode: decode[InitStore]},
	KindSealStore:        {name: "seal-store", level: 3, decode: decode[SealStore]},
	KindUnsealStore:      {name: "unseal-store", level: 3, decode: decode[UnsealStore]},
	KindRekeyStore:       {name: "rekey-store", level: 3, decode: decode[RekeyStore]},
	KindRotateStore:      {name: "rotate-store", level: 3, decode: decode[RotateStore]},
	KindDropDataKeys:     {name: "drop-data-keys", level: 3, decode: decode[DropDataKeys]},
	KindResealAuto:       {name: "reseal-auto", level: 3, decode: decode[ResealAuto]},
	KindCreateSecret:     {name: "create-secret", level: 3, decode: decode[CreateSecret]},
	KindUpdateSecret:     {name: "update-secret", level: 3, decode: decode[UpdateSecret]},
	KindDeleteSecret:     {name: "delete-secret", level: 3, decode: decode[DeleteSecret]},
	KindUndeleteSecret:   {name: "undelete-secret", level: 3, decode: decode[UndeleteSecret]},
	KindPurgeSecret:      {name: "purge-secret", level: 3, decode: decode[PurgeSecret]},
	KindRenewSecret:      {name: "renew-secret", level: 3, decode: decode[RenewSecret]},
	KindExpireSecrets:    {name: "expire-secrets", level: 3, decode: decode[ExpireSecrets]},
	KindReencryptSecrets: {name: "reencrypt-secrets", level: 3, decode: decode[ReencryptSecrets]},

	KindPutDirectory:    {name: "put-directory", level: LevelDirectory, decode: decode[PutDirectory]},
	KindDeleteDirectory: {name: "delete-directory", level: LevelDirectory, decode: decode[DeleteDirectory]},
	KindResealDirectory: {name: "reseal-directory", level: LevelDirectory, decode: decode[ResealDirectory]},
	KindAdmitUser:       {name: "admit-user", level: LevelDirectory, decode: decode[AdmitUser]},
	KindSyncDirectory:   {name: "sync-directory", level: LevelDirectory, decode: decode[SyncDirectory]},
	KindForgetSubject:   {name: "forget-subject", level: LevelDirectory, decode: decode[ForgetSubject]},
}

// String names the kind for logs and metrics.
func (k Kind) String() string {
	if s, ok := registry[k]; ok {
		return s.name
	}
	return fmt.Sprintf("kind-%d", uint16(k))
}

// Level is the first cluster level at which a leader may emit the kind.
func (k Kind) Level() int { return registry[k].level }

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
