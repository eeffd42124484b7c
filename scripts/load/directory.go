package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// What is asked of the directory: a group of so many users, as many others who log in, some in turn and some at once, through one master.
const (
	directoryUsers  = 1_000
	directoryLogins = 400
	directoryAtOnce = 64
)

// Goals of logins through a directory, and of an import from it.
const (
	directoryGoal   = 3.0 // ms beside the directory's own answer
	importGoal      = 5 * time.Second
	connectionsGoal = 16 // from one master
)

const apiPath = "/acs/api/v1"

// directory measures what a master adds to the answer of slapd. Both sides ask in turns, so that both have the same machine.
func directory(ctx context.Context, l *lab) ([]result, error) {
	users, strangers := rig.LDAPUsers("person", directoryUsers), rig.LDAPUsers("stranger", directoryUsers)
	slapd, err := rig.StartSlapd(ctx, rig.SlapdOptions{Users: append(strangers, users...), Groups: []rig.LDAPGroup{{Name: "everybody", Members: rig.UIDs(strangers)}}})
	if err != nil {
		return nil, err
	}
	defer slapd.Close()
	_, follower, err := l.roles(ctx)
	if err != nil {
		return nil, err
	}
	s, err := newSetup(ctx, l.target(follower))
	if err != nil {
		return nil, err
	}
	config := rig.Request{Method: http.MethodPut, URL: s.api + apiPath + "/ldap/config", Token: s.token, Body: slapd.SearchConfig()}
	if _, err := s.client.Expect(ctx, http.StatusOK, config); err != nil {
		return nil, err
	}
	defer func() {
		_, _ = s.client.Do(ctx, rig.Request{Method: http.MethodDelete, URL: config.URL, Token: s.token})
	}()
	// Of the first login of everybody the cluster learns; the others write nothing.
	if _, err := loginsAtOnce(ctx, s, users); err != nil {
		return nil, err
	}
	added, err := addedToLogins(ctx, s, slapd, users[:directoryLogins])
	if err != nil {
		return nil, err
	}
	peak, err := loginsAtOnce(ctx, s, users)
	if err != nil {
		return nil, err
	}
	imported, err := importEverybody(ctx, s)
	if err != nil {
		return nil, err
	}
	return []result{
		atMost("import of a group of 1,000 users nobody knew", imported.Seconds(), importGoal.Seconds(), "s"),
		atMost("what a login adds to the directory's own answer, median", added, directoryGoal, "ms"),
		atMost(fmt.Sprintf("connections of a master to the directory while %d log in at once", directoryAtOnce), peak, connectionsGoal, "connections"),
	}, nil
}

// importEverybody imports the group, with a client that waits for as long as that may take.
func importEverybody(ctx context.Context, s *setup) (time.Duration, error) {
	patient := rig.NewClient(2 * time.Minute)
	defer patient.Close()
	begun := time.Now()
	_, err := patient.Expect(ctx, http.StatusCreated, rig.Request{Method: http.MethodPost, URL: s.api + apiPath + "/ldap/importgroup", Token: s.token,
		Body: map[string]string{"groupname": "everybody"}})
	return time.Since(begun), err
}

// login logs a user of the directory in.
func (s *setup) login(ctx context.Context, u rig.LDAPUser) error {
	_, err := s.client.Login(ctx, s.api, u.UID, u.Password)
	return err
}

// addedToLogins is the median login less the median of what slapd itself takes to search and to bind, in milliseconds.
func addedToLogins(ctx context.Context, s *setup, slapd *rig.Slapd, users []rig.LDAPUser) (float64, error) {
	address := (&url.URL{Scheme: "ldap", Host: fmt.Sprintf("127.0.0.1:%d", slapd.Port)}).String()
	searches, err := ldap.DialURL(address)
	if err != nil {
		return 0, err
	}
	defer searches.Close()
	binds, err := ldap.DialURL(address)
	if err != nil {
		return 0, err
	}
	defer binds.Close()
	var bare, ours []time.Duration
	for _, u := range users {
		begun := time.Now()
		if err := bareLogin(searches, binds, u); err != nil {
			return 0, err
		}
		between := time.Now()
		if err := s.login(ctx, u); err != nil {
			return 0, err
		}
		bare, ours = append(bare, between.Sub(begun)), append(ours, time.Since(between))
	}
	slices.Sort(bare)
	slices.Sort(ours)
	return float64(ours[len(ours)/2]-bare[len(bare)/2]) / float64(time.Millisecond), nil
}

// bareLogin is what a login asks of a directory, on connections that are kept.
func bareLogin(searches, binds *ldap.Conn, u rig.LDAPUser) error {
	found, err := searches.Search(ldap.NewSearchRequest(rig.LDAPPeople, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 5, false,
		"(uid="+ldap.EscapeFilter(u.UID)+")", []string{"uid", "cn"}, nil))
	if err != nil {
		return err
	}
	if len(found.Entries) != 1 {
		return fmt.Errorf("slapd finds %d of %s", len(found.Entries), u.UID)
	}
	return binds.Bind(found.Entries[0].DN, u.Password)
}

// directoryConnections is how many connections to the directory a master has, in its /metrics.
var directoryConnections = regexp.MustCompile(`(?m)^gatehouse_directory_connections (\S+)$`)

// loginsAtOnce logs everybody in through one master, and returns how many connections to the directory it had at most.
func loginsAtOnce(ctx context.Context, s *setup, users []rig.LDAPUser) (peak float64, err error) {
	failed := make(chan error, directoryAtOnce)
	var logins sync.WaitGroup
	for i := range directoryAtOnce {
		logins.Go(func() {
			for j := i; j < len(users); j += directoryAtOnce {
				if err := s.login(ctx, users[j]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	go func() { logins.Wait(); close(failed) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-failed: // nil once all have ended
			return peak, err
		case <-tick.C:
			answer, err := s.client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: s.api + "/metrics"})
			if err != nil {
				return 0, err
			}
			if found := directoryConnections.FindSubmatch(answer.Body); found != nil {
				n, err := strconv.ParseFloat(string(found[1]), 64)
				if err != nil {
					return 0, err
				}
				peak = max(peak, n)
			}
		}
	}
}
