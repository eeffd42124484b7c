package command

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// examples has every kind, with every member set.
func examples() []Command {
	key := testKey("kid-2")
	key.Status, key.CreatedAt, key.ActivatedAt, key.RetiringAt = iam.Prepared, epoch, epoch, epoch
	external := iam.User{UID: "ext", Description: "ä<&>\u2028", ProviderType: iam.OIDC, ProviderID: "https://idp"}
	admitted := external
	admitted.Subject = subject("ext")
	return []Command{
		BeginTerm{LeaderID: "s1"},
		CreateProvider{Provider: dex()},
		UpdateProvider{Provider: dex()},
		DeleteProvider{Type: iam.SAML, ID: "adfs"},
		ResealProvider{ID: "dex", SealedSecret: []byte("sealed")},
		InitCluster{ClusterID: "c1", Level: 1, PrimaryKeyID: "k1", SigningKey: key, Superuser: regular("alice"), SuperuserServiceAccount: service("robot")},
		SetLevel{Level: 2},
		SetPrimaryKey{KeyID: "k2"},
		RemoveServer{ID: "s3"},
		CreateUser{User: external},
		UpdateUser{UID: "bob", Description: ptr("d"), PasswordHash: ptr("h")},
		DeleteUser{UID: "bob", TokenLife: life},
		RehashPassword{UID: "bob", OldHash: "h", NewHash: "i"},
		ResetSuperuser{UID: "op", PasswordHash: "h"},
		PrepareKey{SigningKey: key},
		ActivateKey{KID: "kid-2"},
		RetireKey{KID: "kid-1", Force: true, TokenLife: life},
		RevokeTokens{UID: "bob", NotBefore: epoch, Expires: epoch.Add(life)},
		ResealKey{KID: "kid-2", Sealed: []byte("sealed anew")},
		CreateGroup{Group: iam.Group{GID: "devs", Description: "ä<&>\u2028", ProviderType: iam.LDAP}},
		UpdateGroup{GID: "devs", Description: ptr("d")},
		DeleteGroup{GID: "devs"},
		AddMember{GID: "devs", UID: "bob"},
		RemoveMember{GID: "devs", UID: "bob"},
		CreateACL{ACL: iam.ACL{RID: "dcos:x:/a/*", Description: "ä<&>\u2028"}},
		UpdateACL{RID: "dcos:x", Description: ptr("d")},
		DeleteACL{RID: "dcos:x"},
		GrantAction{RID: "dcos:x", Principal: "devs", Group: true, Action: iam.Read},
		RevokeAction{RID: "dcos:x", Principal: "devs", Group: true, Action: iam.Full},
		RevokeAllActions{RID: "dcos:x", Principal: "devs", Group: true},
		ApplyChanges{TokenLife: life, Bootstrap: "abc", Changes: []Change{
			{User: &external}, {Group: &iam.Group{GID: "devs", ProviderType: iam.Internal}}, {ACL: &iam.ACL{RID: "dcos:x"}},
			{Member: &state.Membership{GID: "devs", UID: "ext"}, Remove: true},
			{Grant: &state.Grant{RID: "dcos:x", Principal: "devs", Group: true, Actions: iam.Read | iam.Update}},
		}},
		RecordAuditHeads{Heads: []state.AuditHead{{Master: "s1", Sequence: 7, Hash: state.Hash{0xcd}, Time: epoch, Rotated: true}}},
		CreateStore{Store: secret.Store{Name: "default", Description: "ä<&>\u2028", Driver: secret.Vault, Created: epoch, MaxVersions: 10, Undelete: 60, Seal: fullSeal("r1"), Sealed: true, Epoch: 7}},
		UpdateStore{Name: "default", Description: ptr("d"), MaxVersions: ptr(3), Undelete: ptr(int64(5))},
		DeleteStore{Name: "other", Force: true},
		InitStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r2"), Open: true},
		SealStore{Name: "default"},
		UnsealStore{Name: "default", RootID: "r2", Epoch: 9},
		RekeyStore{Name: "default", OldRootID: "r2", Seal: *fullSeal("r3")},
		RotateStore{Name: "default", RootID: "r3", Key: secret.DataKey{Term: 2, Wrapped: []byte("w2"), Created: epoch}},
		DropDataKeys{Name: "default", Terms: []uint32{1}},
		ResealAuto{Name: "default", RootID: "r3", Auto: secret.Auto{Method: "pkcs11", KeyID: "k2", Blob: []byte("blob")}},
		CreateSecret{Store: "default", Path: "a/ä<&>", Epoch: 9, Version: VersionData{Number: 1, Term: 1, Sealed: []byte{0, 0xff}}, Born: epoch, Ends: epoch.Add(day)},
		UpdateSecret{Store: "default", Path: "a/b", Epoch: 9, Version: VersionData{Number: 2, Term: 1, Sealed: []byte("s")}, IfVersion: 1, Ends: ptr(epoch)},
		DeleteSecret{Store: "default", Path: "a/b", IfVersion: 2},
		UndeleteSecret{Store: "default", Path: "a/b"},
		PurgeSecret{Store: "default", Path: "a/b"},
		RenewSecret{Store: "default", Path: "a/b", Ends: epoch.Add(day)},
		ExpireSecrets{Items: []ExpiredSecret{{Store: "default", Path: "a/b", Version: 2}}},
		ReencryptSecrets{Store: "default", Epoch: 9, Items: []ReencryptedSecret{
			{Path: "a/b", Version: 1, OldTerm: 1, Term: 2, Sealed: []byte("one")}, {Path: "a/b", Version: 2, OldTerm: 1, Term: 2, Sealed: []byte("two")},
		}},
		PutDirectory{Directory: fullDirectory()},
		DeleteDirectory{},
		ResealDirectory{Version: 7, SealedLookupPassword: []byte("password"), SealedClientKey: []byte("key")},
		AdmitUser{User: admitted, Version: 7},
		ForgetSubject{UID: "ext"},
		synced(),
	}
}

// fullSeal has every member.
func fullSeal(rootID string) *secret.Seal {
	return &secret.Seal{
		RootID: rootID, Shares: 2, Threshold: 2, Check: []byte("check"), EncryptedShares: [][]byte{[]byte("one"), []byte("two")},
		Fingerprints: []string{"f1", "f2"}, Keys: []secret.DataKey{{Term: 1, Wrapped: []byte("w1"), Created: epoch}},
		Auto: &secret.Auto{Method: "key-file", KeyID: "k1", Blob: []byte("blob")},
	}
}

// headerFor is a full header that may carry the command.
func headerFor(c Command) Header {
	h := fullHeader()
	h.Level = max(h.Level, c.Kind().Level())
	return h
}

func fullHeader() Header {
	return Header{
		Level: 2, Term: term, Time: epoch,
		Actor:       Actor{UID: "alice", IssuedAt: epoch.Truncate(time.Second), Right: iam.Right{RID: iam.AdminRouterACS, Action: iam.Full}},
		Idempotency: &Idempotency{UID: "alice", Key: "k", Hash: state.Hash{0xab}, Status: 204},
	}
}

func encoded(t testing.TB, h Header, c Command) []byte {
	t.Helper()
	entry, err := Encode(h, c)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	covered := map[Kind]bool{}
	for _, c := range examples() {
		covered[c.Kind()] = true
		want := headerFor(c)
		want.Format, want.Kind = Format, c.Kind()
		entry := encoded(t, headerFor(c), c)
		if _, seen, err := View(entry); err != nil || !cmp.Equal(c, seen) {
			t.Errorf("%s: seen as %v, %v", c.Kind(), seen, err)
		}
		h, back, err := Decode(entry)
		if err != nil {
			t.Errorf("%s: %v", c.Kind(), err)
			continue
		}
		// Commands print themselves redacted, so compare what they consist of.
		if diff := cmp.Diff(want, h); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", c.Kind(), diff)
		}
		if diff := cmp.Diff(c, back); diff != "" {
			t.Errorf("%s: body (-want +got):\n%s", c.Kind(), diff)
		}
	}
	for kind := range registry {
		if !covered[kind] {
			t.Errorf("%s has no example", kind)
		}
	}
}

func TestKindsHaveNamesOfTheirOwn(t *testing.T) {
	names := map[string]Kind{}
	for kind, spec := range registry {
		if other, taken := names[spec.name]; taken || spec.name == "" || kind.String() != spec.name {
			t.Errorf("kind %d is called %q, like kind %d", kind, spec.name, other)
		}
		names[spec.name] = kind
	}
	if got := Kind(999).String(); got != "kind-999" {
		t.Errorf("an unknown kind is called %s", got)
	}
}

// tamper rewrites the header and the body of an entry.
func tamper(t *testing.T, c Command, header, body func(string) string) []byte {
	t.Helper()
	entry := encoded(t, fullHeader(), c)
	sections, err := split(entry[prefixSize:])
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(entry[:prefixSize])
	out = appendSection(out, []byte(header(string(sections[0]))))
	out = appendSection(out, []byte(body(string(sections[1]))))
	for _, blob := range sections[2:] {
		out = appendSection(out, blob)
	}
	return out
}

// tamperBlobs replaces the byte sections of an entry.
func tamperBlobs(t *testing.T, c Command, change func([][]byte) [][]byte) []byte {
	t.Helper()
	entry := encoded(t, headerFor(c), c)
	sections, err := split(entry[prefixSize:])
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(entry[:prefixSize])
	for _, section := range append(slices.Clip(sections[:2]), change(slices.Clip(sections[2:]))...) {
		out = appendSection(out, section)
	}
	return out
}

func TestDecodeIsStrict(t *testing.T) {
	same := func(s string) string { return s }
	with := func(member string) func(string) string {
		return func(s string) string { return "{" + member + "," + s[1:] }
	}
	becomes := func(text string) func(string) string { return func(string) string { return text } }
	replace := func(a, b string) func(string) string {
		return func(s string) string { return strings.Replace(s, a, b, 1) }
	}
	c := SetLevel{Level: 2}
	good := encoded(t, fullHeader(), c)
	reencryption := ReencryptSecrets{Items: make([]ReencryptedSecret, 2)}
	prepare := encoded(t, fullHeader(), PrepareKey{SigningKey: testKey("k")})
	cases := map[string][]byte{
		"nothing":                 nil,
		"prefix only":             good[:prefixSize],
		"header only":             good[:prefixSize+1+int(good[prefixSize])],
		"unknown format":          append([]byte{Format + 1}, good[1:]...),
		"format zero":             append([]byte{0}, good[1:]...),
		"unknown kind":            append([]byte{Format, 0xff, 0xff}, good[prefixSize:]...),
		"kind zero":               append([]byte{Format, 0, 0}, good[prefixSize:]...),
		"another kind's body":     append([]byte{Format, 0, byte(KindDeleteUser)}, good[prefixSize:]...),
		"bytes behind":            append(bytes.Clone(good), 1),
		"a section too many":      appendSection(bytes.Clone(good), []byte("x")),
		"a blob too many":         appendSection(bytes.Clone(prepare), nil),
		"a value too few":         tamperBlobs(t, reencryption, func(blobs [][]byte) [][]byte { return blobs[:1] }),
		"a value too many":        tamperBlobs(t, reencryption, func(blobs [][]byte) [][]byte { return append(blobs, []byte("x")) }),
		"a secret without value":  tamperBlobs(t, CreateSecret{}, func([][]byte) [][]byte { return nil }),
		"a blob too few":          prepare[:len(prepare)-len(testKey("k").Sealed)-1],
		"a hundred sections":      append(bytes.Clone(good), make([]byte, 100)...),
		"endless length":          append(bytes.Clone(good[:prefixSize]), bytes.Repeat([]byte{0xff}, 20)...),
		"huge length":             append(bytes.Clone(good[:prefixSize]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"unknown header member":   tamper(t, c, with(`"x":1`), same),
		"unknown body member":     tamper(t, c, same, with(`"x":1`)),
		"unknown nested member":   tamper(t, CreateUser{User: *regular("a")}, same, replace(`"user":{`, `"user":{"x":1,`)),
		"unknown actor member":    tamper(t, c, replace(`"actor":{`, `"actor":{"x":1,`), same),
		"header null":             tamper(t, c, becomes("null"), same),
		"body null":               tamper(t, c, same, becomes("null")),
		"body array":              tamper(t, c, same, becomes("[]")),
		"body empty":              tamper(t, c, same, becomes("")),
		"two bodies":              tamper(t, c, same, func(s string) string { return s + s }),
		"body cut off":            tamper(t, c, same, func(s string) string { return s[:len(s)-1] }),
		"wrong type":              tamper(t, c, same, replace("2", `"2"`)),
		"no time":                 tamper(t, c, replace(epoch.Format(time.RFC3339Nano), "0001-01-01T00:00:00Z"), same),
		"time of another zone":    tamper(t, c, replace(".5Z", ".5+01:00"), same),
		"no term":                 tamper(t, c, replace(`"term":2`, `"term":0`), same),
		"negative term":           tamper(t, c, replace(`"term":2`, `"term":-2`), same),
		"below the kind's level":  tamper(t, CreateGroup{}, replace(`"level":2`, `"level":1`), same),
		"a right before level 2":  tamper(t, c, replace(`"level":2`, `"level":1`), same),
		"a right to nothing":      tamper(t, c, replace(`"action":"full"`, `"action":""`), same),
		"an unknown action":       tamper(t, c, replace(`"action":"full"`, `"action":"own"`), same),
		"unknown change":          tamper(t, ApplyChanges{Changes: []Change{{}}}, same, replace(`[{`, `[{"x":1`)),
		"idempotency without key": tamper(t, c, replace(`"key":"k"`, `"key":""`), same),
		"idempotency of nobody":   tamper(t, c, replace(`"uid":"alice","key"`, `"uid":"","key"`), same),
		"a long idempotency key":  tamper(t, c, replace(`"key":"k"`, `"key":"`+strings.Repeat("k", 256)+`"`), same),
		"half a hash":             tamper(t, c, replace(`"hash":"ab`, `"hash":"`), same),
	}
	for name, entry := range cases {
		if h, c, err := Decode(entry); err == nil {
			t.Errorf("%s: read as %+v %+v", name, h, c)
		}
	}
	if _, _, err := Decode(tamper(t, c, same, same)); err != nil {
		t.Errorf("the untouched entry: %v", err)
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	broken := map[string]Header{
		"no time":               {Level: 1, Term: 1},
		"no term":               {Level: 1, Time: epoch},
		"no level":              {Term: 1, Time: epoch},
		"a nameless key":        {Level: 1, Term: 1, Time: epoch, Idempotency: &Idempotency{UID: "a"}},
		"a right too early":     {Level: 1, Term: 1, Time: epoch, Actor: Actor{UID: "a", Right: iam.Right{RID: "r", Action: iam.Full}}},
		"a year beyond RFC3339": {Level: 1, Term: 1, Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	for name, h := range broken {
		if _, err := Encode(h, SetLevel{Level: 2}); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	if _, err := Encode(Header{Time: epoch}, BeginTerm{LeaderID: "s"}); err != nil {
		t.Errorf("BeginTerm needs neither term nor level: %v", err)
	}
	berlin := time.FixedZone("CET", 3600)
	h, _, err := Decode(encoded(t, Header{Time: epoch.In(berlin)}, BeginTerm{LeaderID: "s"}))
	if err != nil || h.Time != epoch {
		t.Errorf("a time of another zone: %v %v, want %v", h.Time, err, epoch)
	}
}

func TestADecodedCommandSharesNoMemoryWithItsEntry(t *testing.T) {
	entry := encoded(t, fullHeader(), PrepareKey{SigningKey: testKey("kid")})
	_, c, err := Decode(entry)
	if err != nil {
		t.Fatal(err)
	}
	clear(entry)
	if diff := cmp.Diff(testKey("kid"), c.(PrepareKey).SigningKey); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCommandsHideTheirSecrets(t *testing.T) {
	const planted = "plantedsecret"
	key := iam.SigningKey{KID: "kid", Sealed: []byte(planted)}
	u := iam.User{UID: "alice", PasswordHash: planted, ProviderType: iam.Internal}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, c := range []Command{
		CreateUser{User: u}, UpdateUser{UID: "alice", PasswordHash: ptr(planted)}, RehashPassword{UID: "alice", OldHash: planted, NewHash: planted},
		ResetSuperuser{UID: "alice", PasswordHash: planted}, PrepareKey{SigningKey: key}, InitCluster{ClusterID: "c", SigningKey: key, Superuser: &u},
		ResealKey{KID: "kid", Sealed: []byte(planted)}, ApplyChanges{Changes: []Change{{User: &u}}},
		CreateStore{Store: secret.Store{Name: "alice", Seal: plantedSeal(planted)}}, InitStore{Name: "alice", Seal: *plantedSeal(planted)},
		RekeyStore{Name: "alice", Seal: *plantedSeal(planted)}, RotateStore{Name: "alice", Key: plantedSeal(planted).Keys[0]},
		ResealAuto{Name: "alice", Auto: *plantedSeal(planted).Auto}, CreateSecret{Path: "alice", Version: VersionData{Sealed: []byte(planted)}},
		UpdateSecret{Path: "alice", Version: VersionData{Sealed: []byte(planted)}},
		ReencryptSecrets{Items: []ReencryptedSecret{{Path: "alice", Sealed: []byte(planted)}}},
		PutDirectory{Directory: iam.Directory{Host: "alice", SealedLookupPassword: []byte(planted), SealedClientKey: []byte(planted)}},
		ResealDirectory{Version: 7, SealedLookupPassword: []byte(planted), SealedClientKey: []byte(planted)}, AdmitUser{User: u},
	} {
		before := out.Len()
		log.Info("command", "command", c)
		if slices.Contains([]Kind{KindPrepareKey, KindInitCluster, KindResealKey, KindApplyChanges, KindResealDirectory}, c.Kind()) != !strings.Contains(out.String()[before:], "alice") {
			t.Errorf("%s is not recognisable: %s", c.Kind(), out.String()[before:])
		}
		fmt.Fprintf(&out, "%v %+v %#v\n", c, c, c)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(planted))
	if strings.Contains(out.String(), planted) || strings.Contains(out.String(), encoded) || strings.Contains(out.String(), fmt.Sprint([]byte(planted))) {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
}

func plantedSeal(planted string) *secret.Seal {
	p := []byte(planted)
	return &secret.Seal{Check: p, EncryptedShares: [][]byte{p}, Keys: []secret.DataKey{{Wrapped: p}}, Auto: &secret.Auto{Blob: p}}
}

// Decode reads what came from a disk and over a network: whatever it is, it must not panic, and what it accepts it must
// accept again.
func FuzzDecode(f *testing.F) {
	for _, c := range examples() {
		f.Add(encoded(f, headerFor(c), c))
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		h, c, err := Decode(entry)
		if err != nil {
			return
		}
		again, err := Encode(h, c)
		if err != nil {
			t.Fatalf("decoded, but not encodable: %v", err)
		}
		h2, c2, err := Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal([]any{h, c})
		b, _ := json.Marshal([]any{h2, c2})
		if !bytes.Equal(a, b) {
			t.Fatalf("%s became %s", a, b)
		}
		txn := state.New().Begin()
		txn.Next(1)
		_, _ = Apply(txn, h.Term, h, c)
	})
}
