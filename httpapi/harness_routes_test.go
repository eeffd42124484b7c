package httpapi

import (
	"context"
	"net/http"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// wireUser is how the test rows show a user.
type wireUser struct {
	UID         string `json:"uid"`
	Description string `json:"description"`
	URL         string `json:"url"`
	IsRemote    bool   `json:"is_remote"`
	IsService   bool   `json:"is_service"`
}

var userSchema = &Schema{Closed: true, Members: []Member{{Name: "description", Type: String}, {Name: "password", Type: String}}}

var looseSchema = &Schema{Members: []Member{{Name: "uid", Type: String}, {Name: "password", Type: String, Nullable: true}, {Name: "exp", Type: Number}}}

// routes are rows of every access and mode, shaped like those of the IAM.
func (m *testMaster) routes() []Route {
	const p = iamPrefix
	return []Route{
		{ID: "user.get", Method: "GET", Path: p + "/users/:uid", Access: User, Mode: Stale, BodyLimit: NoBody, Handle: m.getUser},
		{ID: "user.put", Method: "PUT", Path: p + "/users/:uid", Access: User, Mode: Leader, BodyLimit: 4096, NeedBody: true, Schema: userSchema, Handle: m.putUser},
		{ID: "user.delete", Method: "DELETE", Path: p + "/users/:uid", Access: User, Mode: Leader, BodyLimit: NoBody, Handle: m.deleteUser},
		{ID: "users", Method: "GET", Path: p + "/users", Access: User, Mode: Linearizable, BodyLimit: NoBody, Handle: m.echo},
		{ID: "acl.get", Method: "GET", Path: p + "/acls/:rid", Access: User, Mode: Linearizable, BodyLimit: NoBody, Handle: m.echo},
		{ID: "grant.put", Method: "PUT", Path: p + "/acls/:rid/users/:uid/:action", Access: User, Mode: Leader, BodyLimit: NoBody, Handle: m.touch},
		{ID: "grant.delete", Method: "DELETE", Path: p + "/acls/:rid/users/:uid/:action", Access: User, Mode: Leader, BodyLimit: NoBody, Handle: m.touch},
		{ID: "login", Method: "POST", Path: p + "/auth/login", Access: Public, Mode: Linearizable, BodyLimit: 4096, NeedBody: true, Schema: looseSchema, NoIdempotency: true, NoStore: true, WithoutQuorum: true, Handle: m.login},
		{ID: "jwks", Method: "GET", Path: p + "/auth/jwks", Access: Public, Mode: Local, BodyLimit: NoBody, Handle: m.echo},
		{ID: "leaderread", Method: "GET", Path: p + "/leaderread", Access: User, Mode: Leader, BodyLimit: NoBody, Handle: m.echo},
		{ID: "leaderonce", Method: "GET", Path: p + "/leaderonce", Access: User, Mode: Leader, BodyLimit: NoBody, Once: true, Handle: m.echo},
		{ID: "fail", Method: "GET", Path: p + "/fail/:how", Access: Public, Mode: Local, BodyLimit: NoBody, Handle: m.fail},
		{ID: "super", Method: "POST", Path: "/gatehouse/v1/super", Access: Superuser, Mode: Leader, BodyLimit: 4096, Handle: m.touch},
		{ID: "reset", Method: "POST", Path: "/gatehouse/v1/reset", Access: Internal, Mode: Leader, BodyLimit: 4096, Handle: m.touch},
		{ID: "blob.put", Method: "PUT", Path: "/gatehouse/v1/blob", Access: User, Mode: Leader, BodyLimit: 2 << 20, Handle: m.touch},
		{ID: "secret.list", Method: "GET", Path: "/secrets/v1/secret/:store/*path", Access: User, Mode: Linearizable, BodyLimit: NoBody, NoStore: true, Handle: m.echo},
	}
}

// note remembers what a handler got.
func (m *testMaster) note(r *Request) {
	m.handled.Add(1)
	select {
	case m.seen <- *r:
	default:
	}
}

func (m *testMaster) getUser(_ context.Context, r *Request) (*Response, error) {
	m.note(r)
	u, ok := r.State.User(r.Param("uid"))
	if !ok {
		return nil, fault.New(fault.UnknownUser, "User with uid `%s` not known.", r.Param("uid"))
	}
	return &Response{Body: wireUser{UID: u.UID, Description: u.Description, URL: iamPrefix + "/users/" + u.UID}}, nil
}

func (m *testMaster) putUser(ctx context.Context, r *Request) (*Response, error) {
	m.note(r)
	var in struct {
		Description string `json:"description"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	uid := r.Param("uid")
	return m.submit(ctx, r, http.StatusCreated, func(t *state.Txn) error {
		if _, taken := t.User(uid); taken {
			return fault.New(fault.UserExists, "User with id `%s` already exists.", uid)
		}
		t.PutUser(&iam.User{UID: uid, Description: in.Description, ProviderType: iam.Internal})
		return nil
	})
}

func (m *testMaster) deleteUser(ctx context.Context, r *Request) (*Response, error) {
	m.note(r)
	return m.submit(ctx, r, http.StatusNoContent, func(t *state.Txn) error {
		if _, ok := t.User(r.Param("uid")); !ok {
			return fault.New(fault.UnknownUser, "User with uid `%s` not known.", r.Param("uid"))
		}
		t.DeleteUser(r.Param("uid"))
		return nil
	})
}

// touch commits an entry that changes nothing.
func (m *testMaster) touch(ctx context.Context, r *Request) (*Response, error) {
	m.note(r)
	return m.submit(ctx, r, http.StatusNoContent, func(*state.Txn) error { return nil })
}

func (m *testMaster) submit(ctx context.Context, r *Request, status int, change func(*state.Txn) error) (*Response, error) {
	if err := Recorded(ctx); err != nil {
		return nil, err
	}
	index, err := m.bed.log.submit(m.id, r.Term, change)
	if err != nil {
		return nil, err
	}
	return &Response{Status: status, Index: index}, nil
}

// echo answers with what the handler got.
func (m *testMaster) echo(_ context.Context, r *Request) (*Response, error) {
	m.note(r)
	params := map[string]string{}
	for _, p := range r.Params {
		params[p.Key] = p.Value
	}
	return &Response{Body: map[string]any{"master": m.id, "params": params, "uid": r.Caller.UID, "client": r.Client.String()}}, nil
}

// login succeeds for everybody. For the uid "rehash" it must write.
func (m *testMaster) login(ctx context.Context, r *Request) (*Response, error) {
	m.note(r)
	var in struct {
		UID string `json:"uid"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	r.CountLogin("password", "ok")
	ok := &Response{Body: map[string]string{"token": tokenFor("alice"), "by": m.id, "uid": in.UID}, Cookies: []*http.Cookie{
		{Name: authCookie, Value: "a", HttpOnly: true}, {Name: "dcos-acs-info-cookie", Value: "b"},
	}}
	switch {
	case in.UID == "wrong":
		return nil, fault.New(fault.InvalidCredentials, "Invalid credentials.")
	case in.UID == "rehash" && !r.Lead:
		return nil, &EscalateError{Fallback: ok}
	case in.UID == "create" && !r.Lead:
		return nil, &EscalateError{}
	case in.UID == "rehash" || in.UID == "create":
		if _, err := m.submit(ctx, r, 200, func(*state.Txn) error { return nil }); err != nil {
			return nil, err
		}
	}
	return ok, nil
}

func (m *testMaster) fail(_ context.Context, r *Request) (*Response, error) {
	switch r.Param("how") {
	case "panic":
		panic("planted")
	case "body":
		return &Response{Body: func() {}}, nil
	}
	return nil, context.DeadlineExceeded
}

// clone is a copy of a user under another uid.
func clone(t *state.Txn, from, to string) *iam.User {
	u, _ := t.User(from)
	c := *u
	c.UID = to
	return &c
}
