package command

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
)
