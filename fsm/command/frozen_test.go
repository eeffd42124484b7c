package command

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

var freeze = flag.Bool("freeze", false, "add the entries that testdata/frozen lacks; what is there is never touched")

const frozenDir = "testdata/frozen"

// frozenLog is the log from which the frozen entries were made. New entries go to the end, whatever they are.
func frozenLog() []Command {
	at := NextSecond(epoch)
	return []Command{
		BeginTerm{LeaderID: "server-1"},
		InitCluster{
			ClusterID: "cluster-1", Level: 1, PrimaryKeyID: "key-1", SigningKey: testKey("kid-1"),
			Superuser: regular("bootstrapuser"), SuperuserServiceAccount: service("bootstrap-sa"),
		},
		CreateUser{User: *regular("alice")},
		CreateUser{User: *service("robot")},
		CreateUser{User: iam.User{UID: "carol@example.com", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/"}},
		CreateUser{User: *regular("alice")}, // refused
		UpdateUser{UID: "alice", Description: ptr("Ünïcode <&> \u2028")},
		UpdateUser{UID: "alice", PasswordHash: ptr("$6$new")},
		RehashPassword{UID: "alice", OldHash: "$6$new", NewHash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"},
		RehashPassword{UID: "alice", OldHash: "$6$new", NewHash: "$argon2id$"}, // refused
		ResetSuperuser{UID: "operator", PasswordHash: "$6$op"},
		PrepareKey{SigningKey: testKey("kid-2")},
		ActivateKey{KID: "kid-2"},
		RetireKey{KID: "kid-1", TokenLife: life}, // refused
		RetireKey{KID: "kid-1", Force: true, TokenLife: life},
		RevokeTokens{UID: "robot", NotBefore: at, Expires: at.Add(life)},
		RevokeTokens{NotBefore: at, Expires: at.Add(life)},
		DeleteUser{UID: "alice", TokenLife: life},
		DeleteUser{UID: "operator", TokenLife: life},
		DeleteUser{UID: "bootstrapuser", TokenLife: life},
		DeleteUser{UID: "bootstrap-sa", TokenLife: life}, // refused
		SetPrimaryKey{KeyID: "key-2"},
		RemoveServer{ID: "server-3"},
		SetLevel{Level: 2},
		ResealKey{KID: "kid-2", Sealed: []byte("sealed anew")},
		ResealKey{KID: "kid-1", Sealed: []byte("sealed anew")}, // refused
		CreateUser{User: *regular("dave")},
		CreateGroup{Group: iam.Group{GID: "devs", Description: "Ünïcode <&> \u2028", ProviderType: iam.LDAP}},
		CreateACL{ACL: iam.ACL{RID: "dcos:service:/a/*", Description: "Ünïcode <&> \u2028"}},
		UpdateGroup{GID: "devs", Description: ptr("Developers")},
		UpdateACL{RID: "dcos:service:/a/*", Description: ptr("")},
		AddMember{GID: "devs", UID: "dave"},
		AddMember{GID: "devs", UID: "dave"}, // refused
		GrantAction{RID: "dcos:service:/a/*", Principal: "devs", Group: true, Action: iam.Read},
		GrantAction{RID: "dcos:service:/a/*", Principal: "dave", Action: iam.Full},
		GrantAction{RID: "dcos:service:/a/*", Principal: "dave", Action: iam.Full}, // refused
		RevokeAction{RID: "dcos:service:/a/*", Principal: "dave", Action: iam.Full},
		RevokeAllActions{RID: "dcos:service:/a/*", Principal: "devs", Group: true},
		RevokeAllActions{RID: "dcos:service:/a/*", Principal: "devs", Group: true},                        // refused
		RevokeAction{RID: iam.SuperuserRID, Principal: iam.SuperuserGroup, Group: true, Action: iam.Full}, // refused
		RemoveMember{GID: iam.SuperuserGroup, UID: "bootstrap-sa"},                                        // refused
		DeleteUser{UID: "bootstrap-sa", TokenLife: life},                                                  // refused
		declaredForEver(),
		declaredForEver(), // a no-op
		changes(Change{User: regular("erin")}, Change{Grant: &state.Grant{RID: "dcos:y", Principal: "erin", Actions: iam.Read}, Remove: true}),
		changes(Change{User: regular("frank")}, Change{Member: &state.Membership{GID: "none", UID: "frank"}}), // refused
		RecordAuditHeads{Heads: []state.AuditHead{
			{Master: "server-1", Sequence: 7, Hash: state.Hash{1}, Time: epoch, Rotated: true}, {Master: "server-1", Sequence: 9, Hash: state.Hash{2}, Time: epoch},
		}},
		RecordAuditHeads{Heads: []state.AuditHead{{Master: "server-1", Sequence: 8, Hash: state.Hash{3}, Time: epoch}}}, // refused
		RemoveMember{GID: "devs", UID: "dave"},
		DeleteGroup{GID: "devs"},
		DeleteACL{RID: "dcos:service:/a/*"},
		DeleteACL{RID: iam.SuperuserRID},     // refused
		DeleteGroup{GID: iam.SuperuserGroup}, // refused
		DeleteUser{UID: "eve", TokenLife: life},

		CreateProvider{Provider: dex()},
		CreateProvider{Provider: dex()}, // refused
		CreateProvider{Provider: iam.Provider{ID: "adfs", Description: "ADFS", SAML: &iam.SAMLProvider{Metadata: "<xml/>", BaseURL: "https://dcos.example"}}},
		ResealProvider{ID: "dex", SealedSecret: []byte("sealed anew")},
		ResealProvider{ID: "adfs", SealedSecret: []byte("sealed anew")}, // refused
		UpdateProvider{Provider: dex()},            // refused: another version
		DeleteProvider{Type: iam.OIDC, ID: "adfs"}, // refused
		changes(Change{Provider: ptr(dex())}, Change{Provider: &iam.Provider{ID: "adfs"}, Remove: true}),
		DeleteProvider{Type: iam.OIDC, ID: "dex"},

		SetLevel{Level: 3},
		CreateStore{Store: secret.Store{Name: "default", Description: "Ünïcode <&>", Driver: secret.Vault, MaxVersions: 2, Undelete: 60}},
		CreateStore{Store: secret.Store{Name: "default", Driver: secret.Vault, MaxVersions: 2}}, // refused
		CreateStore{Store: secret.Store{Name: "more", Driver: secret.Vault, MaxVersions: 2, Seal: fullSeal("r0"), Sealed: true}},
		CreateSecret{Store: "default", Path: "a", Epoch: frozenEpoch, Version: version(1), Born: epoch}, // refused: no keys
		InitStore{Name: "default", Seal: *fullSeal("r1")},
		InitStore{Name: "default", Seal: *fullSeal("r2")}, // refused: another was faster
		UnsealStore{Name: "default", RootID: "r1", Epoch: frozenEpoch + 1},
		UnsealStore{Name: "default", RootID: "r1", Epoch: frozenEpoch + 1},                                  // refused: the same
		CreateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 1, Version: version(1), Born: epoch}, // refused: sealed meanwhile
		CreateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 2, Version: version(1), Born: epoch},
		CreateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 2, Version: version(2), Born: epoch}, // refused: exists
		CreateSecret{Store: "default", Path: "d/Ünïcode <&>", Epoch: frozenEpoch + 2, Version: version(1), Born: epoch, Ends: epoch.Add(day)},
		UpdateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 2, Version: version(2), IfVersion: 1, Ends: ptr(epoch.Add(day))},
		UpdateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 2, Version: version(3), IfVersion: 1}, // refused: another version
		UpdateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 2, Version: version(2)},               // refused: not the next
		UpdateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 2, Version: version(3)},               // drops the first
		DeleteSecret{Store: "default", Path: "a", IfVersion: 2},                                              // refused: another version
		DeleteSecret{Store: "default", Path: "a", IfVersion: 3},
		UndeleteSecret{Store: "default", Path: "a"},
		UndeleteSecret{Store: "default", Path: "a"}, // refused: live
		RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 2, Wrapped: []byte("w2")}},
		DropDataKeys{Name: "default", Terms: []uint32{1}}, // refused: in use
		reencryption(frozenEpoch + 2),
		reencryption(frozenEpoch + 2), // refused: done
		DropDataKeys{Name: "default", Terms: []uint32{1}},
		RekeyStore{Name: "default", OldRootID: "r1", Seal: rekeyed("r2", 2)},
		RekeyStore{Name: "default", OldRootID: "r1", Seal: rekeyed("r3", 2)}, // refused: another was faster
		ResealAuto{Name: "default", RootID: "r2", Auto: secret.Auto{Method: "pkcs11", KeyID: "k2", Blob: []byte("other blob")}},
		UpdateStore{Name: "default", Description: ptr(""), MaxVersions: ptr(1), Undelete: ptr(int64(0))},
		InitStore{Name: "default", OldRootID: "r2", Seal: *fullSeal("r3")}, // refused: not empty
		RenewSecret{Store: "default", Path: "a", Ends: epoch.Add(2 * day)},
		DeleteSecret{Store: "default", Path: "a"},
		UndeleteSecret{Store: "default", Path: "a"}, // refused: nothing is kept
		ExpireSecrets{Items: []ExpiredSecret{{Store: "default", Path: "a", Version: 3}, {Store: "default", Path: "d/Ünïcode <&>", Version: 1}}},
		ExpireSecrets{Items: []ExpiredSecret{{Store: "default", Path: "a", Version: 3}}}, // refused: a tombstone stays an hour
		RenewSecret{Store: "default", Path: "d/Ünïcode <&>"},                             // refused: never
		RenewSecret{Store: "default", Path: "d/Ünïcode <&>", Ends: epoch},                // ends it
		SealStore{Name: "default"},
		SealStore{Name: "default"}, // a no-op
		CreateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 2, Version: version(4), Born: epoch}, // refused: sealed
		PurgeSecret{Store: "default", Path: "a"},                                                            // refused: sealed
		InitStore{Name: "default", OldRootID: "r2", Seal: *fullSeal("r4"), Open: true},
		CreateSecret{Store: "default", Path: "a", Epoch: frozenEpoch + 4, Version: version(1), Born: epoch},
		PurgeSecret{Store: "default", Path: "a"},
		DeleteStore{Name: "default"}, // refused
		DeleteStore{Name: "more", Force: true},

		SetLevel{Level: 4},
		AdmitUser{User: ldapUser("lena"), Version: frozenDirectory}, // refused: nobody vouches
		PutDirectory{Directory: fullDirectory()},
		PutDirectory{Directory: iam.Directory{Host: "ldap.example", Port: 389}}, // refused
		ResealDirectory{Version: frozenDirectory, SealedLookupPassword: []byte("password anew"), SealedClientKey: []byte("key anew")},
		ResealDirectory{Version: 1, SealedLookupPassword: []byte("x"), SealedClientKey: []byte("x")}, // refused: another version
		ResealDirectory{Version: frozenDirectory, SealedLookupPassword: []byte("x")},                 // refused: half
		AdmitUser{User: ldapUser("lena"), Version: frozenDirectory},
		AdmitUser{User: ldapUser("lena"), Version: frozenDirectory},   // a no-op
		AdmitUser{User: ldapUser("lasse"), Version: 1},                // refused: another version
		AdmitUser{User: ldapUser("dave"), Version: frozenDirectory},   // refused: somebody else
		AdmitUser{User: ldapUser("no uid"), Version: frozenDirectory}, // refused
		AdmitUser{User: *regular("gina")},                             // refused: not remote
		AdmitUser{User: iam.User{UID: "o@example.com", Description: "Ünïcode <&>", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/", Subject: subject("o")}},
		CreateProvider{Provider: dex()},
		AdmitUser{User: iam.User{UID: "olga", ProviderType: iam.OIDC, ProviderID: "dex", Subject: subject("olga")}, Version: frozenDirectory + 12},
		AdmitUser{User: iam.User{UID: "otto", ProviderType: iam.OIDC, ProviderID: "dex", Subject: subject("otto")}, Version: 1}, // refused: another version
		synced(),
		SyncDirectory{Version: frozenDirectory, CreateGroups: []iam.Group{{GID: "staff", ProviderType: iam.LDAP}}}, // refused: exists
		SyncDirectory{Version: 1, RemoveMembers: []state.Membership{{GID: "staff", UID: "lena"}}},                  // refused: another version
		SyncDirectory{Version: frozenDirectory, RemoveUsers: []string{"lena"}},                                     // refused: no token life
		SyncDirectory{Version: frozenDirectory, RemoveMembers: []state.Membership{{GID: "staff", UID: "lena"}, {GID: iam.SuperuserGroup, UID: "bootstrap-sa"}}},
		SyncDirectory{Version: frozenDirectory, RemoveUsers: []string{"lena", "dave", "none"}, RemoveGroups: []string{"staff", iam.SuperuserGroup, "none"}, TokenLife: life},
		AddMember{GID: iam.SuperuserGroup, UID: "lars"},
		RemoveMember{GID: iam.SuperuserGroup, UID: "bootstrap-sa"}, // lars can log in
		DeleteDirectory{}, // refused: he could not
		SyncDirectory{Version: frozenDirectory, RemoveUsers: []string{"lars"}, TokenLife: life}, // refused
		SyncDirectory{Version: frozenDirectory},                                                 // refused: who asks may not any more
		AddMember{GID: iam.SuperuserGroup, UID: "bootstrap-sa"},
		DeleteDirectory{},
		DeleteDirectory{}, // refused
		AdmitUser{User: iam.User{UID: "olga", ProviderType: iam.OIDC, ProviderID: "dex", Subject: subject("olga")}, Version: frozenDirectory + 12},   // a no-op
		AdmitUser{User: iam.User{UID: "olga", ProviderType: iam.OIDC, ProviderID: "dex", Subject: subject("olga 2")}, Version: frozenDirectory + 12}, // refused: another subject
		AdmitUser{User: iam.User{UID: "omar", ProviderType: iam.OIDC, ProviderID: "dex"}, Version: frozenDirectory + 12},                             // refused: no subject
		ForgetSubject{UID: "olga"},
		ForgetSubject{UID: "olga"}, // a no-op
		ForgetSubject{UID: "none"}, // refused
		AdmitUser{User: iam.User{UID: "olga", ProviderType: iam.OIDC, ProviderID: "dex", Subject: subject("olga 2")}, Version: frozenDirectory + 12}, // binds
	}
}

// frozenDirectory is the version of the directory: the index of the entry that configured it.
const frozenDirectory = 113

// synced has every part.
func synced() SyncDirectory {
	return SyncDirectory{
		Version: frozenDirectory, TokenLife: life,
		CreateUsers:   []iam.User{ldapUser("lars"), ldapUser("lena"), ldapUser("gone")},
		CreateGroups:  []iam.Group{{GID: "staff", Description: "Ünïcode <&>", ProviderType: iam.LDAP}, {GID: "old", ProviderType: iam.LDAP}},
		AddMembers:    []state.Membership{{GID: "staff", UID: "lars"}, {GID: "staff", UID: "lena"}, {GID: "staff", UID: "dave"}, {GID: iam.SuperuserGroup, UID: "lars"}},
		RemoveMembers: []state.Membership{{GID: "staff", UID: "lars"}},
		RemoveUsers:   []string{"gone"},
		RemoveGroups:  []string{"old"},
	}
}

// subject is what an identity provider calls somebody, as users hold it.
func subject(name string) string {
	hash := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

func ldapUser(uid string) iam.User {
	return iam.User{UID: uid, Description: "Ünïcode <&>", ProviderType: iam.LDAP}
}

// fullDirectory has every member.
func fullDirectory() iam.Directory {
	return iam.Directory{
		Host: "ldap.example", Port: 636, LDAPS: true, EnforceStartTLS: true, DNTemplate: "uid=%(username)s,dc=example",
		UserSearch: &iam.Search{Base: "ou=people,dc=example", Filter: "(uid=%(username)s)"},
		GroupSearch: &iam.GroupSearch{
			Search: iam.Search{Base: "ou=groups,dc=example", Filter: "(cn=%(groupname)s)"}, MemberAttributes: []string{"member", "memberUid"},
		},
		LookupDN: "cn=gatehouse,dc=example", SealedLookupPassword: []byte("sealed password"),
		CACerts: "pem", ClientCert: "certificate", SealedClientKey: []byte("sealed key"),
	}
}

// frozenEpoch is the first of the store default: the index of the entry that made it.
const frozenEpoch = 65

func version(number uint64) VersionData {
	return VersionData{Number: number, Term: 1, Sealed: []byte{byte(number), 0, 0xff}}
}

func reencryption(epoch uint64) ReencryptSecrets {
	return ReencryptSecrets{Store: "default", Epoch: epoch, Items: []ReencryptedSecret{
		{Path: "a", Version: 2, OldTerm: 1, Term: 2, Sealed: []byte("2 anew")}, {Path: "a", Version: 3, OldTerm: 1, Term: 2, Sealed: []byte("3 anew")},
		{Path: "d/Ünïcode <&>", Version: 1, OldTerm: 1, Term: 2, Sealed: []byte("1 anew")}, {Path: "none", Version: 1, OldTerm: 1, Term: 2, Sealed: []byte("x")},
	}}
}

func rekeyed(rootID string, term uint32) secret.Seal {
	s := *fullSeal(rootID)
	s.Keys = []secret.DataKey{{Term: term, Wrapped: []byte("wrapped anew")}}
	return s
}

// dex is an OpenID Connect provider.
func dex() iam.Provider {
	return iam.Provider{ID: "dex", Description: "Dex", OIDC: &iam.OIDCProvider{
		Issuer: "https://dex.example", BaseURL: "https://dcos.example/", ClientID: "gatehouse", SealedSecret: []byte("sealed"), Insecure: true, CACerts: "pem",
	}}
}

// declaredForEver is what a cluster may begin with.
func declaredForEver() ApplyChanges {
	c := declared()
	c.Bootstrap = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
	return c
}

// How many entries of the frozen log are of level 1, and how many of level 2, and of level 3, and below.
const (
	frozenLevelOne   = 26
	frozenLevelTwo   = 64
	frozenLevelThree = 111
)

// frozenHeader varies the headers, so that each of their members is frozen too.
func frozenHeader(i int, c Command) Header {
	h := Header{Level: 1, Term: term, Time: epoch.Add(time.Duration(i) * time.Millisecond)}
	if i >= frozenLevelOne {
		h.Level = 2
	}
	if i >= frozenLevelTwo {
		h.Level = 3
	}
	if i >= frozenLevelThree {
		h.Level = 4
	}
	switch {
	case c.Kind() == KindBeginTerm:
		h.Level, h.Term = 0, 0
	case i%3 == 2:
		h.Actor = Actor{UID: "bootstrap-sa", IssuedAt: NextSecond(epoch)}
	}
	if i >= frozenLevelOne && i%5 == 2 {
		h.Actor = Actor{UID: "bootstrap-sa", IssuedAt: NextSecond(epoch), Right: iam.Right{RID: iam.AdminRouterACS, Action: iam.Full}}
	}
	if i%4 == 3 {
		h.Idempotency = &Idempotency{UID: "bootstrap-sa", Key: fmt.Sprint("key-", i), Hash: state.Hash{byte(i)}, Status: 204}
	}
	return h
}

func TestFrozenEntriesKeepTheirMeaning(t *testing.T) {
	if *freeze {
		freezeEntries(t)
	}
	names, err := filepath.Glob(frozenDir + "/*.entry")
	if err != nil || len(names) == 0 {
		t.Fatalf("no frozen entries: %v", err)
	}
	slices.Sort(names)
	s := state.New()
	kinds := map[Kind]bool{}
	for i, name := range names {
		entry, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		h, c, err := Decode(entry)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kinds[h.Kind] = true
		var got string
		s, got = applyFrozen(s, uint64(i+1), h, c)
		want := golden(t, strings.TrimSuffix(name, ".entry")+".want", got)
		if got != want {
			t.Fatalf("%s: applied as\n%swant\n%sMasters of different versions would diverge.", name, got, want)
		}
	}
	for kind := range registry {
		if !kinds[kind] {
			t.Errorf("%s has no frozen entry: add one to frozenLog and run go test -run Frozen -freeze", kind)
		}
	}
}

// applyFrozen returns the next state and what happened, in words.
func applyFrozen(s *state.State, index uint64, h Header, c Command) (*state.State, string) {
	txn := s.Begin()
	txn.Next(index)
	o, err := Apply(txn, term, h, c)
	s = txn.Commit(index)
	result := fmt.Sprintf("status %d, index %d, replayed %v", o.Status, o.Index, o.Replayed)
	if o.Steps != nil {
		result += fmt.Sprintf(", steps %+v", *o.Steps)
	}
	if err != nil {
		result = "refused: " + string(fault.CodeOf(err))
	}
	return s, fmt.Sprintf("%s\ndigest %x\n", result, s.Digest())
}

func golden(t *testing.T, name, got string) string {
	t.Helper()
	want, err := os.ReadFile(name)
	if *freeze && os.IsNotExist(err) {
		want, err = []byte(got), os.WriteFile(name, []byte(got), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(want)
}

func freezeEntries(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(frozenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, c := range frozenLog() {
		name := fmt.Sprintf("%s/%03d-%s.entry", frozenDir, i+1, c.Kind())
		if _, err := os.Stat(name); err == nil {
			continue
		}
		if err := os.WriteFile(name, encoded(t, frozenHeader(i, c), c), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The frozen log is also written by this version as it was: an accidental change of the format shows here first.
func TestThisVersionWritesTheFrozenEntries(t *testing.T) {
	for i, c := range frozenLog() {
		name := fmt.Sprintf("%s/%03d-%s.entry", frozenDir, i+1, c.Kind())
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := encoded(t, frozenHeader(i, c), c); !bytes.Equal(got, want) {
			t.Errorf("%s: written as\n%q, want\n%q", name, got, want)
		}
	}
}
