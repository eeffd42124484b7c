package declare

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
)

// aKey is a public key, PEM.
var aKey = sync.OnceValue(func() string { return publicKey(2048) })

func publicKey(bits int) string {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// indented is text as a literal block of YAML wants it.
func indented(text string, by int) string {
	pad := strings.Repeat(" ", by)
	return pad + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+pad) + "\n"
}

func parse(t *testing.T, text string) *Document {
	t.Helper()
	var d Document
	if wrong := append(d.Parse("file.yaml", []byte(text)), d.Check()...); len(wrong) > 0 {
		t.Fatalf("%s\n%v", text, wrong.Lines())
	}
	return &d
}

func whole() string {
	return `version: 1
users:
  - uid: alice
    description: Alice in Operations
  - uid: 007
  - {uid: bob@example.com, provider_type: oidc, provider_id: example-idp}
service_accounts:
  - uid: svc
    public_key: |
` + indented(aKey(), 6) + `groups:
  - gid: ops
    description: "yes"
    members: [alice, &me bob@example.com]
acls:
  - rid: dcos:secrets:default:/a/*
    users:
      alice: [read, update]
      *me : full
    groups: {ops: [create]}
`
}

func TestADocumentSaysWhatItSays(t *testing.T) {
	d := parse(t, whole())
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".At" }, cmp.Ignore())
	want := &Document{
		Version: 1,
		Users: []User{
			{UID: "alice", Description: new("Alice in Operations")},
			{UID: "007"},
			{UID: "bob@example.com", ProviderType: "oidc", ProviderID: "example-idp"},
		},
		ServiceAccounts: []User{{UID: "svc", PublicKey: aKey()}},
		Groups:          []Group{{GID: "ops", Description: new("yes"), Members: []Member{{UID: "alice"}, {UID: "bob@example.com"}}}},
		ACLs: []ACL{{RID: "dcos:secrets:default:/a/*", Groups: Grants{{ID: "ops", Actions: iam.Create}},
			Users: Grants{{ID: "alice", Actions: iam.Read | iam.Update}, {ID: "bob@example.com", Actions: iam.Full}}}},
	}
	if diff := cmp.Diff(want, d, ignore); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := d.ACLs[0].Users[0].At.String(); got != "file.yaml:26" {
		t.Errorf("the grant of alice is at %s, want file.yaml:26", got)
	}
}

func TestAWrittenDocumentReadsBackAsItIs(t *testing.T) {
	d := parse(t, whole())
	d.Groups[0].Description = new("on three\nlines\n and \x1b[31m, \u202e, #, : ")
	var text bytes.Buffer
	if err := d.WriteYAML(&text); err != nil {
		t.Fatal(err)
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".At" }, cmp.Ignore())
	if diff := cmp.Diff(d, parse(t, text.String()), ignore); diff != "" {
		t.Errorf("%s\n(-want +got)\n%s", &text, diff)
	}
}

func TestEverythingThatIsWrongIsReportedAtOnceWithItsLine(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                  {"f.yaml:1: the file is empty; it begins with: version: 1"},
		"users: []\n":                       {"f.yaml:1: version is missing: version: 1"},
		"version: 2\n":                      {`f.yaml:1: version "2" is not known to this program, which knows 1`},
		"just text\n":                       {`f.yaml:1: the document: want names with values, got a text`},
		"version: 1\nusers:\n  - a\n - b\n": {"f.yaml:3: not YAML: did not find expected key"},
		"version: 1\nusers: {}\n":           {"f.yaml:2: want a list, got names with values"},
		"version: 1\nversion: 1\n":          {`f.yaml:2: the document: "version" is there twice, first in line 1`},
		"version: 1\nuser: []\n":            {`f.yaml:2: the document has no "user"; it has acls, groups, providers, service_accounts, users, version`},
		"version: 1\nusers:\n  - uid: a\n    password: b\n  - uid: c d\n  - uid: [e]\n": {
			`f.yaml:4: a user has no "password"; it has description, provider_id, provider_type, uid`,
			`f.yaml:5: user "c d": Invalid user ID: c d`,
			"f.yaml:6: want a text, got a list",
			`f.yaml:6: user "": Invalid user ID: `,
		},
		"version: 1\nusers:\n  - {uid: a, provider_type: oidc}\n  - {uid: b, provider_type: x}\n  - {uid: c, provider_id: y}\n": {
			`f.yaml:3: user "a": Invalid provider_id: provider_id must be provided if provider_type is saml or oidc`,
			`f.yaml:4: user "b": Invalid provider_type: x`,
			`f.yaml:5: user "c": Invalid provider_id: provider_id must not be provided unless provider_type is saml or oidc`,
		},
		"version: 1\nservice_accounts:\n  - uid: a\n    public_key: x\n  - uid: b\n": {
			`f.yaml:3: service account "a": Invalid public key: not PEM`,
			`f.yaml:5: service account "b": Invalid public key: not PEM`,
		},
		"version: 1\ngroups:\n  - gid: a.b\n  - gid: c\n    provider_type: oidc\n    members: [x, x, y z]\n": {
			`f.yaml:3: group "a.b": Invalid group ID: a.b`,
			`f.yaml:4: group "c": provider_type "oidc": want internal or ldap`,
			`f.yaml:6: group "c": the member "x" is there twice, first in line 6`,
			`f.yaml:6: group "c": Invalid user ID: y z`,
		},
		"version: 1\nacls:\n  - rid: ''\n  - rid: r\n    users:\n      a: [red]\n      b: []\n    groups: {x.y: full}\n": {
			`f.yaml:3: acl "": Invalid resource ID: `,
			"f.yaml:6: a: Invalid action: red; want create, read, update, delete or full",
			"f.yaml:7: b: want at least one action; leave the line out to grant nothing",
			`f.yaml:8: acl "r": Invalid group ID: x.y`,
		},
	} {
		var d Document
		if diff := cmp.Diff(want, d.Parse("f.yaml", []byte(text)).Lines()); diff != "" {
			t.Errorf("%s(-want +got)\n%s", text, diff)
		}
	}
}

func TestFilesAreOneDocument(t *testing.T) {
	var d Document
	wrong := d.Parse("a.yaml", []byte("version: 1\nusers: [{uid: a}]\n---\nversion: 1\nusers: [{uid: b}]\n"))
	wrong = append(wrong, d.Parse("b.json", []byte(`{"version": 1, "groups": [{"gid": "g"}], "users": [{"uid": "c"}, {"uid": "a"}]}`))...)
	if len(wrong) > 0 || len(d.Users) != 4 || len(d.Groups) != 1 {
		t.Errorf("%v, %+v", wrong.Lines(), d)
	}
	want := []string{`b.json:1: the uid "a" is there twice, first at a.yaml:2`}
	if diff := cmp.Diff(want, d.Check().Lines()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestJSONIsReadHoweverToolsWriteIt(t *testing.T) {
	d := parse(t, "{\n\t\"version\": 1,\n\t\"users\": [\n\t\t{\"uid\": \"a\", \"description\": \"\\ud83d\\ude00 \\u00e9 \\\\ud83d\\\\ude00 \\/ \\t\"}\n\t]\n}\n")
	if got := *d.Users[0].Description; got != `😀 é \ud83d\ude00 /`+" \t" || d.Users[0].At.Line != 4 {
		t.Errorf("%q in line %d", got, d.Users[0].At.Line)
	}
}

func TestAKeyThatIsTooSmallForAMasterIsNamed(t *testing.T) {
	d := parse(t, "version: 1\nservice_accounts:\n  - uid: svc\n    public_key: |\n"+indented(publicKey(1024), 6))
	want := []string{`file.yaml:3: service account "svc": Invalid public key: RSA key has 1024 bits, at least 2048 are needed`}
	if diff := cmp.Diff(want, d.CheckKeys(2048).Lines()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole()))
	f.Add([]byte("version: 1\nusers: &a [{uid: *a}]\n"))
	f.Add([]byte("%YAML 1.1\n---\n{version: 1, acls: [{rid: x, users: {? [a] : read}}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Document
		if wrong := append(d.Parse("f", text), d.Check()...); len(wrong) > 0 {
			return
		}
		plan := Difference(&Document{}, &d, Options{Prune: true})
		for _, batch := range plan.Batches() {
			if len(batch) == 0 {
				t.Error("an empty batch")
			}
		}
	})
}
