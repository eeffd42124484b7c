package declareapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/declare"
)

// log takes commands and remembers the last.
type log struct {
	header command.Header
	last   command.Command
	err    error
}

func (l *log) Submit(_ context.Context, h command.Header, c command.Command) (command.Outcome, error) {
	l.header, l.last = h, c
	return command.Outcome{Index: 7}, l.err
}

// send sends a body to the apply row of a master whose clock shows noon.
func send(l *log, s *state.State, body string) (*httpapi.Response, error) {
	a := &api{Options{Submitter: l, Keys: declare.Unsealed{}, TokenLife: time.Hour, Now: func() time.Time { return noon }}}
	return a.apply(context.Background(), &httpapi.Request{Body: []byte(body), JSON: true, State: s, Term: 5, Route: &httpapi.Route{ID: "gatehouse.iam.apply"},
		Caller: httpapi.Caller{UID: root, IssuedAt: noon}, Right: iam.Right{RID: iam.SuperuserRID, Action: iam.Full},
		Idempotency: &httpapi.Idempotency{Key: "k"}})
}

func TestARequestBecomesOneCommand(t *testing.T) {
	var l log
	key, _ := json.Marshal(keys()[0])
	resp, err := send(&l, founded(), `{"changes":[
		{"user":{"uid":"alice","description":"Alice"}}, {"user":{"uid":"svc","public_key":`+string(key)+`}},
		{"user":{"uid":"bob","provider_type":"oidc","provider_id":"idp"}}, {"group":{"gid":"ops"}}, {"acl":{"rid":"r"}},
		{"member":{"gid":"ops","uid":"alice"}}, {"grant":{"rid":"r","gid":"ops","actions":["full","read"]}},
		{"grant":{"rid":"r","uid":"alice"},"remove":true}]}`)
	if err != nil || resp.Status != http.StatusNoContent || resp.Index != 7 {
		t.Fatalf("%+v, %v", resp, err)
	}
	want := command.ApplyChanges{TokenLife: time.Hour, Changes: []command.Change{
		{User: &iam.User{UID: "alice", Description: "Alice", ProviderType: iam.Internal, PasswordHash: iam.LockedPassword}},
		{User: &iam.User{UID: "svc", PublicKey: keys()[0], ProviderType: iam.Internal}},
		{User: &iam.User{UID: "bob", ProviderType: iam.OIDC, ProviderID: "idp"}},
		{Group: &iam.Group{GID: "ops", ProviderType: iam.Internal}}, {ACL: &iam.ACL{RID: "r"}},
		{Member: &state.Membership{GID: "ops", UID: "alice"}},
		{Grant: &state.Grant{RID: "r", Principal: "ops", Group: true, Actions: iam.Full | iam.Read}},
		{Grant: &state.Grant{RID: "r", Principal: "alice"}, Remove: true},
	}}
	if diff := cmp.Diff(command.Command(want), l.last); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	header := command.Header{Level: 2, Term: 5, Time: noon, Actor: command.Actor{UID: root, IssuedAt: noon, Right: iam.Right{RID: iam.SuperuserRID, Action: iam.Full}},
		Idempotency: &command.Idempotency{UID: root, Key: "k", Status: http.StatusNoContent}}
	if diff := cmp.Diff(header, l.header); diff != "" {
		t.Errorf("header (-want +got)\n%s", diff)
	}
}

func TestARefusedRequestNamesTheChange(t *testing.T) {
	private := `-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`
	for body, want := range map[string]string{
		`{"changes":{}}`: "unmarshal JSON object",
		`{"changes":[{"user":{"uid":"a","password_hash":"$6$x"}}]}`:            `unknown object member name "password_hash"`,
		`{"changes":[{"user":{"UID":"a"}}]}`:                                   `unknown object member name "UID"`,
		`{"changes":[{"user":{"uid":"a"},"providers":{}}]}`:                    `unknown object member name "providers"`,
		`{"changes":[{"acl":{"rid":"r"}},{"grant":{"rid":"r"}}]}`:              "changes[1] (user `` on resource `r`): A grant has exactly one of `uid` and `gid`.",
		`{"changes":[{"grant":{"rid":"r","uid":"a","gid":"b"}}]}`:              "A grant has exactly one of `uid` and `gid`.",
		`{"changes":[{"grant":{"rid":"r","uid":"a","actions":["red"]}}]}`:      "changes[0] (user `a` on resource `r`): Invalid action: red",
		`{"changes":[{"user":{"uid":"a","public_key":"x"}}]}`:                  "changes[0] (user `a`): Invalid public key: not PEM",
		`{"changes":[{"user":{"uid":"a","public_key":"` + private + `"}}]}`:    "this is a private key",
		`{"changes":[` + strings.Repeat(`{"acl":{"rid":"r"}},`, 2000) + `{}]}`: "2001 changes at once, at most 2000 are possible.",
	} {
		var l log
		_, err := send(&l, founded(), body)
		if err == nil || !strings.Contains(err.Error(), want) || l.last != nil || fault.CodeOf(err) == "" {
			t.Errorf("%.80s: %v, want %s and no command", body, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%v repeats a private key", err)
		}
	}
}

// The row takes what the original's rules refuse later only if it is there already.
func TestAKeyThatAnAccountHasAlreadyIsNotLookedAtAgain(t *testing.T) {
	s := founded()
	txn := s.Begin()
	txn.Next(2)
	txn.PutUser(&iam.User{UID: "old", PublicKey: "of a time with other rules", ProviderType: iam.Internal})
	s = txn.Commit(2)
	var l log
	if _, err := send(&l, s, `{"changes":[{"user":{"uid":"old","description":"Old","public_key":"of a time with other rules"}}]}`); err != nil {
		t.Error(err)
	}
	if _, err := send(&l, s, `{"changes":[{"user":{"uid":"new","public_key":"of a time with other rules"}}]}`); !fault.Is(err, fault.InvalidPublicKey) {
		t.Errorf("%v, want ERR_INVALID_PUBLIC_KEY", err)
	}
}

func TestAnExportHasOneItemALineAndNoHash(t *testing.T) {
	s, err := apply(founded(), []declare.Change{{User: &declare.UserChange{UID: "alice", Description: "<Alice>"}}, {ACL: &declare.ACLChange{RID: "r"}},
		{Grant: &declare.GrantChange{RID: "r", UID: "alice", Actions: []string{"read"}}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&api{}).export(context.Background(), &httpapi.Request{State: s})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := resp.Stream(&text); err != nil {
		t.Fatal(err)
	}
	want := `{
  "version": 1,
  "users": [
    {"uid":"alice","description":"<Alice>"},
    {"uid":"root","description":""}
  ],
  "service_accounts": [],
  "groups": [
    {"gid":"superusers","description":"","members":["root"]}
  ],
  "acls": [
    {"rid":"dcos:superuser","description":"","users":{},"groups":{"superusers":["full"]}},
    {"rid":"r","description":"","users":{"alice":["read"]},"groups":{}}
  ],
  "providers": []
}
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	gone := errors.New("the client left")
	if err := resp.Stream(broken{gone}); !errors.Is(err, gone) {
		t.Errorf("%v, want that it stops when the client leaves", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
