package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"gatehouse/fsm/fault"
)

func TestValidators(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	cases := []struct {
		name  string
		check func(string) error
		code  fault.Code
		good  []string
		bad   []string
	}{
		{
			"uid", ValidateUID, fault.InvalidUserID,
			[]string{"a", "Alice-B_c.d@example.com", "...", ".a", long(96), "full", "0"},
			[]string{"", long(97), "anonymous", ".", "..", "a b", "a/b", "a%2fb", "ä", "a\x00", "a\n", "\xff", `a\b`, "a:b", "ａ"},
		},
		{
			"gid", ValidateGID, fault.InvalidGroupID,
			[]string{"a", "superusers", "A-B_c@d", long(64)},
			[]string{"", long(65), "a.b", "a b", "a/b", "ä"},
		},
		{
			"rid", ValidateRID, fault.InvalidResourceID,
			[]string{"dcos:superuser", "dcos:secrets:default:/a/*", "a..b", "a b", "ä", long(1024)},
			[]string{"", long(1025), "a\x00", "a\nb", "\u202e", "\xff", "a\u0085"},
		},
		{
			"description", ValidateDescription, fault.InvalidData,
			[]string{"", "Ünïcode\nover lines", long(4096)},
			[]string{long(4097), "\xff"},
		},
		{
			"password", ValidatePassword, fault.InvalidData,
			[]string{"12345", "äöüßé", long(10000)},
			[]string{"", "1234", "äöüß"},
		},
		{
			"provider type", ValidateProviderType, fault.InvalidData,
			[]string{"internal", "ldap", "oidc", "saml"},
			[]string{"", "Internal", "kerberos"},
		},
	}
	for _, c := range cases {
		for _, s := range c.good {
			if err := c.check(s); err != nil {
				t.Errorf("%s %q: %v, want it accepted", c.name, s, err)
			}
		}
		for _, s := range c.bad {
			if err := c.check(s); !fault.Is(err, c.code) {
				t.Errorf("%s %.40q: %v, want %s", c.name, s, err, c.code)
			}
		}
	}
}

func TestAnInvalidUIDIsRepeatedInExcerpts(t *testing.T) {
	err := ValidateUID(strings.Repeat("é", 10<<10))
	if n := len(err.Error()); n > 400 {
		t.Errorf("the error has %d bytes", n)
	}
}

func TestUserIsValidatedInTheOrderOfTheContract(t *testing.T) {
	subject := strings.Repeat("A", 43)
	cases := []struct {
		name string
		user User
		want string // the start of the description; "" is valid
	}{
		{"regular", User{UID: "a", PasswordHash: "h", ProviderType: Internal}, ""},
		{"service", User{UID: "a", PublicKey: "k", ProviderType: Internal}, ""},
		{"oidc", User{UID: "a", ProviderType: OIDC, ProviderID: "p"}, ""},
		{"ldap", User{UID: "a", ProviderType: LDAP}, ""},
		{"blank provider id", User{UID: "a", ProviderType: SAML, ProviderID: " "}, ""},
		{"unknown type before all else", User{ProviderType: "x", PasswordHash: "h", PublicKey: "k"}, "Invalid provider_type: x"},
		{"remote with password", User{UID: "!", ProviderType: LDAP, PasswordHash: "h", PublicKey: "k"}, "external provider: `password` is unexpected"},
		{"remote with key", User{UID: "!", ProviderType: OIDC, PublicKey: "k"}, "external provider: `public_key` is unexpected"},
		{"neither", User{UID: "!", ProviderType: Internal}, "One of `password` or `public_key` must be provided"},
		{"both", User{UID: "!", ProviderType: Internal, PasswordHash: "h", PublicKey: "k"}, "One of `password` or `public_key` must be provided"},
		{"huge key", User{UID: "!", ProviderType: Internal, PublicKey: strings.Repeat("k", MaxPublicKey+1)}, "Invalid public key"},
		{"huge hash", User{UID: "!", ProviderType: Internal, PasswordHash: strings.Repeat("k", MaxPublicKey+1)}, "The password hash"},
		{"provider id missing", User{UID: "!", ProviderType: SAML}, "Invalid provider_id: provider_id must be provided if"},
		{"provider id too much", User{UID: "!", ProviderType: LDAP, ProviderID: "p"}, "Invalid provider_id: provider_id must not be provided"},
		{"provider id too long", User{UID: "!", ProviderType: OIDC, ProviderID: strings.Repeat("p", 2000)}, "Invalid provider_id: at most"},
		{"uid", User{UID: "!", ProviderType: LDAP, Description: "\xff"}, "Invalid user ID: !"},
		{"description", User{UID: "a", ProviderType: LDAP, Description: "\xff"}, "`description`"},
		{"subject", User{UID: "a", ProviderType: OIDC, ProviderID: "p", Subject: subject}, ""},
		{"subject of SAML", User{UID: "a", ProviderType: SAML, ProviderID: "p", Subject: subject}, ""},
		{"subject of who comes next", User{UID: "a", ProviderType: OIDC, ProviderID: "p", Subject: NextSubject}, ""},
		{"LDAP, of who comes next", User{UID: "a", ProviderType: LDAP, Subject: NextSubject}, "Invalid subject: subject must not be provided"},
		{"subject of LDAP", User{UID: "a", ProviderType: LDAP, Subject: subject}, "Invalid subject: subject must not be provided"},
		{"local subject", User{UID: "a", ProviderType: Internal, PasswordHash: "h", Subject: subject}, "Invalid subject: subject must not be provided"},
		{"short subject", User{UID: "a", ProviderType: OIDC, ProviderID: "p", Subject: subject[1:]}, "Invalid subject: want"},
		{"subject in clear", User{UID: "a", ProviderType: OIDC, ProviderID: "p", Subject: "alice@example.com"}, "Invalid subject: want"},
		{"padded subject", User{UID: "a", ProviderType: OIDC, ProviderID: "p", Subject: subject + "="}, "Invalid subject: want"},
		{"broken subject", User{UID: "a", ProviderType: OIDC, ProviderID: "p", Subject: subject[:20] + "\n" + subject[20:]}, "Invalid subject: want"},
		{"odd subject", User{UID: "a", ProviderType: OIDC, ProviderID: "p", Subject: subject[:42] + "9"}, "Invalid subject: want"},
	}
	for _, c := range cases {
		err := c.user.Validate()
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var description string
		if e, ok := err.(*fault.Error); ok {
			description = e.Description
		}
		if !strings.HasPrefix(description, c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestActionsKeepTheirNames(t *testing.T) {
	for i, name := range []string{"create", "read", "update", "delete", "full"} {
		a, err := ParseAction(name)
		if err != nil || a != 1<<i || a.String() != name {
			t.Errorf("ParseAction(%q) = %d %v", name, a, err)
		}
	}
	for _, name := range []string{"", "Read", "read,full", "*"} {
		if _, err := ParseAction(name); !fault.Is(err, fault.InvalidAction) {
			t.Errorf("ParseAction(%q): %v, want %s", name, err, fault.InvalidAction)
		}
	}
}

func TestActionsSurviveJSON(t *testing.T) {
	for a := Actions(1); a <= AnyAction; a++ {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back Actions
		if err := json.Unmarshal(text, &back); err != nil || back != a {
			t.Errorf("%s came back as %s: %v", text, back, err)
		}
	}
	for _, text := range []string{`""`, `"read,create"`, `"read,read"`, `"x"`, `3`} {
		var a Actions
		if err := json.Unmarshal([]byte(text), &a); err == nil {
			t.Errorf("%s was read as %s", text, a)
		}
	}
}

// directory is a Directory in the plainest form.
type directory struct {
	groups map[string][]string
	users  map[[2]string]Actions
	teams  map[[2]string]Actions
}

func (d directory) GroupsOf(uid string) iter.Seq[string] { return slices.Values(d.groups[uid]) }
func (d directory) UserActions(uid, rid string) Actions  { return d.users[[2]string{uid, rid}] }
func (d directory) GroupActions(gid, rid string) Actions { return d.teams[[2]string{gid, rid}] }

func (d directory) GroupsGrant(uid, rid string, wanted Actions) bool {
	return slices.ContainsFunc(d.groups[uid], func(gid string) bool { return d.GroupActions(gid, rid)&wanted != 0 })
}

func TestAuthorize(t *testing.T) {
	d := directory{
		groups: map[string][]string{"boss": {"staff", "superusers"}, "member": {"staff", "readers"}},
		users: map[[2]string]Actions{
			{"direct", "r"}:       Read | Update,
			{"full", "r"}:         Full,
			{"odd", SuperuserRID}: Read,
			{"secrets", "a/*"}:    Full,
			{"superusers", "r"}:   Full, // a user that is called like a group
		},
		teams: map[[2]string]Actions{
			{"superusers", SuperuserRID}: Full,
			{"readers", "r"}:             Read,
			{"direct", "q"}:              Full, // a group that is called like a user
		},
	}
	cases := []struct {
		uid, rid string
		action   Actions
		want     bool
	}{
		{"direct", "r", Read, true}, {"direct", "r", Update, true}, {"direct", "r", Delete, false}, {"direct", "r", Full, false},
		{"direct", "q", Read, false}, {"direct", "r2", Read, false}, {"direct", "", Read, false},
		{"full", "r", Read, true}, {"full", "r", Delete, true}, {"full", "r", Full, true}, {"full", "q", Read, false},
		{"member", "r", Read, true}, {"member", "r", Update, false}, {"member", SuperuserRID, Read, false},
		{"boss", "r", Delete, true}, {"boss", "no such acl", Full, true}, {"boss", SuperuserRID, Full, true},
		{"odd", "anything", Full, true},
		{"secrets", "a/b", Read, false}, {"secrets", "a/*", Read, true},
		{"nobody", "r", Read, false}, {"", "r", Read, false},
		{"direct", "r", 0, false}, {"full", "r", Read | Update, false}, {"boss", "r", 0, false}, {"boss", "r", 1 << 7, false},
	}
	for _, c := range cases {
		if got := Authorize(d, c.uid, c.rid, c.action); got != c.want {
			t.Errorf("Authorize(%q, %q, %v) = %v, want %v", c.uid, c.rid, c.action, got, c.want)
		}
	}
	for uid, want := range map[string]bool{"boss": true, "odd": true, "member": false, "full": false, "superusers": false, "": false} {
		if got := Superuser(d, uid); got != want {
			t.Errorf("Superuser(%q) = %v, want %v", uid, got, want)
		}
	}
}

func TestSecretsStayOutOfLogsAndPrints(t *testing.T) {
	const planted = "plantedsecret"
	u := User{UID: "alice", PasswordHash: planted, ProviderType: Internal}
	k := SigningKey{KID: "kid", Sealed: []byte(planted)}
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("record", "user", u, "pointer", &u, "key", k, "keypointer", &k)
	}
	for _, v := range []any{u, &u, k, &k, []User{u}, struct{ U User }{u}} {
		fmt.Fprintf(&out, "%v %+v %#v %s\n", v, v, v, v)
	}
	if strings.Contains(out.String(), planted) || bytes.Contains(out.Bytes(), fmt.Append(nil, []byte(planted))) {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "alice") || !strings.Contains(out.String(), "kid") {
		t.Errorf("the records are not recognisable:\n%s", out.String())
	}
}
