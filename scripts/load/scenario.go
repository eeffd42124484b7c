package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// target is the service under load and how to get in.
type target struct {
	urls          []*url.URL
	tls           *tls.Config
	uid, password string
	stale         bool    // get-user: ask for ?consistency=stale
	raw           request // what the scenario raw sends
}

// scenario prepares what its requests need, and answers where they come from.
type scenario func(ctx context.Context, t target) (source, error)

var scenarios = map[string]scenario{
	"raw":                 rawScenario,
	"get-user":            getUser,
	"policy-query":        policyQuery,
	"patch-user":          patchUser,
	"put-service-account": putServiceAccount,
	"get-secret":          getSecret,
	"put-secret":          putSecrets,
	"service-login":       serviceLogin,
	"password-login":      passwordLogin,
}

func scenarioNames() string {
	return strings.Join(slices.Sorted(maps.Keys(scenarios)), "|")
}

// populationSize is how many users get-user and patch-user spread over.
const populationSize = 64

// fixed sends the same request for ever; it is put together once per connection.
func fixed(r request) source {
	return func(_ int, base *url.URL) generator {
		bytes := r.append(nil, base)
		return func(buf []byte, _ int) []byte { return append(buf, bytes...) }
	}
}

func rawScenario(_ context.Context, t target) (source, error) {
	r := t.raw
	if r.path == "" {
		r.path = t.urls[0].RequestURI()
	}
	return fixed(r), nil
}

func getUser(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	users, err := s.population(ctx)
	if err != nil {
		return nil, err
	}
	query := ""
	if t.stale {
		query = "?consistency=stale"
	}
	return func(_ int, base *url.URL) generator {
		var ready [][]byte
		for _, uid := range users {
			ready = append(ready, request{method: "GET", path: userPath + uid + query, token: s.token}.append(nil, base))
		}
		return func(buf []byte, _ int) []byte { return append(buf, ready[rand.IntN(len(ready))]...) }
	}, nil
}

func patchUser(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	users, err := s.population(ctx)
	if err != nil {
		return nil, err
	}
	return func(worker int, base *url.URL) generator {
		uid := users[worker%len(users)]
		return func(buf []byte, seq int) []byte {
			body := fmt.Appendf(nil, `{"description":"version %d"}`, seq)
			return request{method: "PATCH", path: userPath + uid, token: s.token, body: body}.append(buf, base)
		}
	}, nil
}

func putServiceAccount(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(s.account())
	if err != nil {
		return nil, err
	}
	return func(worker int, base *url.URL) generator {
		prefix := userPath + s.run + "-" + strconv.Itoa(worker) + "-"
		return func(buf []byte, seq int) []byte {
			return request{method: "PUT", path: prefix + strconv.Itoa(seq), token: s.token, body: body}.append(buf, base)
		}
	}, nil
}

// serviceTokenLife keeps below the ten minutes above which service login tokens are warned about (contract 2.3).
const serviceTokenLife = 9 * time.Minute

func serviceLogin(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	uid := s.run + "-service"
	if err := s.put(ctx, uid, s.account()); err != nil {
		return nil, err
	}
	signed, err := s.key.Sign(uid, time.Now().Add(serviceTokenLife))
	if err != nil {
		return nil, err
	}
	return loginSource(map[string]string{"uid": uid, "token": signed})
}

func passwordLogin(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	uid, password := s.run+"-person", "correct horse "+s.run
	if err := s.put(ctx, uid, map[string]string{"password": password}); err != nil {
		return nil, err
	}
	return loginSource(map[string]string{"uid": uid, "password": password})
}

func loginSource(credentials map[string]string) (source, error) {
	body, err := json.Marshal(credentials)
	if err != nil {
		return nil, err
	}
	return fixed(request{method: "POST", path: "/acs/api/v1/auth/login", body: body}), nil
}

const userPath = "/acs/api/v1/users/"

// setup is the superuser's side of a scenario: it makes the accounts that the load is about.
type setup struct {
	client *rig.Client
	api    string
	token  string
	key    *rig.ServiceKey
	run    string // opens the name of every account of this run
}

func newSetup(ctx context.Context, t target) (*setup, error) {
	s := &setup{client: rig.NewTLSClient(10*time.Second, t.tls), api: t.urls[0].Scheme + "://" + t.urls[0].Host,
		run: "load-" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	var err error
	if s.key, err = rig.NewServiceKey(); err != nil {
		return nil, err
	}
	if s.token, err = s.client.Login(ctx, s.api, t.uid, t.password); err != nil {
		return nil, fmt.Errorf("log in as %s: %w", t.uid, err)
	}
	return s, nil
}

// account is the body that creates a service account.
func (s *setup) account() map[string]string {
	return map[string]string{"description": "made by the load generator", "public_key": s.key.PublicPEM}
}

func (s *setup) put(ctx context.Context, uid string, body any) error {
	_, err := s.client.Expect(ctx, 201, rig.Request{Method: "PUT", URL: s.api + userPath + uid, Token: s.token, Body: body})
	return err
}

// population makes populationSize service accounts and answers their uids.
func (s *setup) population(ctx context.Context) ([]string, error) {
	var uids []string
	for i := range populationSize {
		uid := s.run + "-" + strconv.Itoa(i)
		if err := s.put(ctx, uid, s.account()); err != nil {
			return nil, err
		}
		uids = append(uids, uid)
	}
	return uids, nil
}
