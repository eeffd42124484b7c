package fsm

import (
	"bytes"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// full is a text of that many bytes, each of which takes six in JSON.
func full(bytes int) string { return strings.Repeat("\x01", bytes) }

// largest applies commands of level 4, each as large as commands can be.
type largest struct {
	t *testing.T
	m *Machine
}

func newLargest(t *testing.T) largest {
	l := largest{t, New(Options{MaxLevel: 4, MaxSnapshotBytes: 128 << 20})}
	init := initCluster()
	init.Level = 4
	l.must(init)
	return l
}

func (l largest) apply(c command.Command) any {
	l.t.Helper()
	h := command.Header{Level: 4, Term: term, Time: epoch}
	if c.Kind() == command.KindCreateGroup {
		h.Idempotency = &command.Idempotency{UID: "alice", Key: full(command.MaxKey), Status: 201}
	}
	data, err := command.Encode(h, c)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.m.Apply(&raft.Log{Index: l.m.AppliedIndex() + 1, Term: term, Type: raft.LogCommand, Data: data})
}

func (l largest) must(c command.Command) {
	l.t.Helper()
	if err, refused := l.apply(c).(error); refused {
		l.t.Fatalf("%s: %v", c.Kind(), err)
	}
}

func (l largest) refuse(c command.Command, code fault.Code) {
	l.t.Helper()
	if err, _ := l.apply(c).(error); !fault.Is(err, code) {
		l.t.Errorf("%s: %v, want %s", c.Kind(), err, code)
	}
}

func fullSeal() *secret.Seal {
	s := &secret.Seal{RootID: full(4 << 10), Shares: secret.MaxShares, Threshold: 2, Check: make([]byte, secret.MaxShare),
		Keys: []secret.DataKey{{Term: 1, Wrapped: make([]byte, secret.MaxWrapped)}},
		Auto: &secret.Auto{Method: full(4 << 10), KeyID: full(4 << 10), Blob: make([]byte, secret.MaxShare)}}
	for range secret.MaxShares {
		s.EncryptedShares = append(s.EncryptedShares, make([]byte, secret.MaxShare))
		s.Fingerprints = append(s.Fingerprints, full(256))
	}
	return s
}

// iam fills the state with the largest records of identity and access management.
func (l largest) iam() {
	l.t.Helper()
	uid, gid, rid := strings.Repeat("u", iam.MaxUID), strings.Repeat("g", iam.MaxGID), strings.Repeat("<", iam.MaxRID)
	about, metadata, url := full(iam.MaxDescription), full(iam.MaxProviderMetadata), full(iam.MaxProviderURL)
	l.must(command.CreateUser{User: iam.User{UID: uid, Description: about, PublicKey: full(iam.MaxPublicKey), ProviderType: iam.Internal}})
	l.must(command.CreateGroup{Group: iam.Group{GID: gid, Description: about, ProviderType: iam.Internal}})
	l.must(command.CreateACL{ACL: iam.ACL{RID: rid, Description: about}})
	l.must(command.ApplyChanges{Changes: []command.Change{{Member: &state.Membership{GID: gid, UID: uid}},
		{Grant: &state.Grant{RID: rid, Principal: gid, Group: true, Actions: iam.Create}},
		{User: &iam.User{UID: "second", Description: about, PasswordHash: full(iam.MaxPublicKey), ProviderType: iam.Internal}}}})
	l.must(command.CreateProvider{Provider: iam.Provider{ID: "oidc1", Description: about, OIDC: &iam.OIDCProvider{Issuer: url, BaseURL: url,
		ClientID: full(iam.MaxProviderID), SealedSecret: make([]byte, 2*iam.MaxClientSecret), CACerts: metadata}}})
	l.must(command.CreateProvider{Provider: iam.Provider{ID: "saml1", Description: about, SAML: &iam.SAMLProvider{Metadata: metadata, BaseURL: url}}})
	l.must(command.PutDirectory{Directory: largestDirectory()})
	l.must(command.RevokeTokens{UID: uid, NotBefore: epoch, Expires: epoch.Add(life)})
	l.must(command.RecordAuditHeads{Heads: []state.AuditHead{{Master: full(255), Sequence: 1, Time: epoch}}})
}

func largestDirectory() iam.Directory {
	search := iam.Search{Base: full(iam.MaxDN), Filter: full(iam.MaxFilter)}
	d := iam.Directory{
		Host: full(iam.MaxDirectoryHost), Port: 65535, DNTemplate: full(iam.MaxDN), UserSearch: &search, GroupSearch: &iam.GroupSearch{Search: search},
		LookupDN: full(iam.MaxDN), SealedLookupPassword: make([]byte, iam.MaxLookupPassword+1024), CACerts: full(iam.MaxProviderMetadata),
		ClientCert: full(iam.MaxClientCert), SealedClientKey: make([]byte, iam.MaxClientCert+1024),
	}
	for range iam.MaxMemberAttributes {
		d.GroupSearch.MemberAttributes = append(d.GroupSearch.MemberAttributes, full(iam.MaxAttribute))
	}
	return d
}

// secrets fills the store with all data keys that it may have, and one secret with all versions.
func (l largest) secrets() {
	l.t.Helper()
	store := secret.Store{Name: strings.Repeat("s", 64), Description: full(4 << 10), Driver: secret.Vault, MaxVersions: secret.MostVersions, Seal: fullSeal()}
	l.must(command.CreateStore{Store: store})
	for n := uint32(2); n <= secret.MaxDataKeys; n++ {
		l.must(command.RotateStore{Name: store.Name, RootID: store.Seal.RootID, Key: secret.DataKey{Term: n, Wrapped: make([]byte, secret.MaxWrapped)}})
	}
	l.refuse(command.RotateStore{Name: store.Name, RootID: store.Seal.RootID, Key: secret.DataKey{Term: secret.MaxDataKeys + 1, Wrapped: []byte{1}}}, fault.Conflict)
	s, _ := l.m.State().Store(store.Name)
	path := strings.Repeat("<", secret.MaxPath)
	version := command.VersionData{Number: 1, Term: 1, Sealed: make([]byte, secret.MaxSealed)}
	l.must(command.CreateSecret{Store: s.Name, Path: path, Epoch: s.Epoch, Born: epoch, Ends: epoch.Add(life), Version: version})
	for n := uint64(2); n <= secret.MostVersions; n++ {
		l.must(command.UpdateSecret{Store: s.Name, Path: path, Epoch: s.Epoch, Version: command.VersionData{Number: n, Term: 1, Sealed: []byte{1}}})
	}
	l.must(command.ReencryptSecrets{Store: s.Name, Epoch: s.Epoch, Items: []command.ReencryptedSecret{
		{Path: path, Version: 2, OldTerm: 1, Term: 2, Sealed: make([]byte, secret.MaxSealed)}}})
}

// The line that restore refuses is the end of a cluster: so no command makes one, whatever kind of record it is about.
func TestTheLargestRecordsSurviveASnapshot(t *testing.T) {
	l := newLargest(t)
	l.iam()
	l.secrets()
	kept := persist(t, l.m)
	longest := 0
	kinds := map[string]bool{}
	for _, line := range decompress(t, kept) {
		longest = max(longest, len(line))
		kinds[strings.SplitN(line, `"`, 3)[1]] = true
	}
	if longest > maxLine/2 {
		t.Errorf("a line of %d bytes: more than half of the %d that are possible", longest, maxLine)
	}
	records := reflect.TypeFor[state.Record]().Field(0).Type
	for i := range records.NumField() {
		if name, _, _ := strings.Cut(records.Field(i).Tag.Get("json"), ","); !kinds[name] {
			t.Errorf("no %q is in the snapshot: make the largest one", name)
		}
	}
	fresh := New(Options{MaxLevel: 4})
	if err := restore(fresh, kept); err != nil {
		t.Fatal(err)
	}
	if fresh.State().Digest() != l.m.State().Digest() {
		t.Error("another state was restored")
	}
}

func TestRecordsOfSecretsAreBounded(t *testing.T) {
	l := newLargest(t)
	for name, grow := range map[string]func(*secret.Seal){
		"check value": func(s *secret.Seal) { s.Check = append(s.Check, 1) }, "share": func(s *secret.Seal) { s.EncryptedShares[7] = make([]byte, secret.MaxShare+1) },
		"fingerprint": func(s *secret.Seal) { s.Fingerprints[254] += "f" }, "blob": func(s *secret.Seal) { s.Auto.Blob = append(s.Auto.Blob, 1) },
		"key id": func(s *secret.Seal) { s.Auto.KeyID += "k" }, "data key": func(s *secret.Seal) { s.Keys[0].Wrapped = make([]byte, secret.MaxWrapped+1) },
		"data keys": func(s *secret.Seal) {
			for len(s.Keys) <= secret.MaxDataKeys {
				s.Keys = append(s.Keys, secret.DataKey{Term: uint32(len(s.Keys) + 1), Wrapped: []byte{1}})
			}
		},
	} {
		s := fullSeal()
		if grow(s); !fault.Is(s.Validate(), fault.InvalidData) {
			t.Errorf("%s: accepted", name)
		}
	}
	l.must(command.CreateStore{Store: vault("default", sealOf("r1", 1))})
	s, _ := l.m.State().Store("default")
	long := make([]byte, secret.MaxSealed+1)
	version := command.VersionData{Number: 1, Term: 1, Sealed: long}
	create := command.CreateSecret{Store: "default", Path: "a", Epoch: s.Epoch, Born: epoch, Version: version}
	l.refuse(create, fault.InvalidData)
	create.Version.Sealed = []byte{1}
	l.must(create)
	version.Number = 2
	l.refuse(command.UpdateSecret{Store: "default", Path: "a", Epoch: s.Epoch, Version: version}, fault.InvalidData)
	l.must(command.RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 2, Wrapped: []byte{1}}})
	l.refuse(command.RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 3, Wrapped: make([]byte, secret.MaxWrapped+1)}}, fault.InvalidData)
	l.refuse(command.ReencryptSecrets{Store: "default", Epoch: s.Epoch, Items: []command.ReencryptedSecret{{Path: "a", Version: 1, OldTerm: 1, Term: 2, Sealed: long}}}, fault.Conflict)
}

// A snapshot that could not be read must not take the place of the log.
func TestALineThatRestoreRefusesIsNotWritten(t *testing.T) {
	txn := newMachine(t).State().Begin()
	txn.Next(3)
	txn.PutUser(&iam.User{UID: "long", Description: strings.Repeat("x", maxLine), ProviderType: iam.Internal, PasswordHash: "!"})
	var out sink
	var log bytes.Buffer
	snap := &snapshot{state: txn.Commit(3), limit: 1 << 30, log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := snap.Persist(&out); !errors.Is(err, errLongLine) || !out.cancelled || out.closed {
		t.Errorf("%v, cancelled %v, closed %v", err, out.cancelled, out.closed)
	}
	if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "no snapshot") {
		t.Errorf("logged: %s", text)
	}
}
