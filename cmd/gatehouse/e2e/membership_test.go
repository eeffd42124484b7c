//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// rowOf is the master named name as the master at m sees it. With several of that name, the one that is reachable.
func rowOf(t *testing.T, c *rig.Cluster, m *rig.Master, name string) (rig.MasterInfo, error) {
	t.Helper()
	list, err := c.Client.Masters(t.Context(), m.API, superuser(t, c))
	if err != nil {
		return rig.MasterInfo{}, err
	}
	err = fmt.Errorf("%s is not among %+v", name, list)
	var found rig.MasterInfo
	for _, row := range list {
		if row.Name == name && (err != nil || row.State != "unreachable") {
			found, err = row, nil
		}
	}
	return found, err
}

// awaitVoter waits until the master is a full member.
func awaitVoter(t *testing.T, c *rig.Cluster, at *rig.Master, name string) rig.MasterInfo {
	t.Helper()
	var row rig.MasterInfo
	await(t, 20*time.Second, name+" a voter", func(context.Context) (err error) {
		if row, err = rowOf(t, c, at, name); err == nil && row.State != "follower" && row.State != "leader" {
			err = fmt.Errorf("%s is %s", name, row.State)
		}
		return err
	})
	return row
}

func TestAFourthMasterJoins(t *testing.T) {
	c := start(t, rig.Options{})
	books := keepBooks(t, c, anyOf(c))
	books.awaitMore(t, 100, 30*time.Second)
	books.close()
	fourth := must[*rig.Master](t)(c.Add("m4"))
	if err := fourth.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	awaitVoter(t, c, fourth, "m4")
	putUser(t, c, fourth, "through-the-fourth", map[string]string{"password": "a passphrase"})
	books.audit(t, c)
	must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 10*time.Second))

	// It counts: with the fourth, one of the first three may be gone and the three others go on.
	if err := leaderOf(t, c).Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, 10*time.Second, "a write with three of four", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: userURL(c.Running()[0], "through-the-fourth"),
			Token: superuser(t, c), Body: map[string]string{"description": "x"}})
		return err
	})
}

// A master whose disk was lost comes back as another server (hostile C20, C21): it has forgotten how it voted, so its
// old self must not count as having voted.
func TestAWipedMasterComesBackAsANewServer(t *testing.T) {
	c := start(t, rig.Options{})
	token, leader := superuser(t, c), leaderOf(t, c)
	wiped := c.Followers(leader)[0]
	putUser(t, c, wiped, "before", map[string]string{"password": "a passphrase"})
	before := must[rig.MasterInfo](t)(rowOf(t, c, leader, wiped.Name))
	if err := errors.Join(wiped.Kill(), os.RemoveAll(wiped.DataDir), wiped.Start()); err != nil {
		t.Fatal(err)
	}
	if err := wiped.AwaitHealthy(t.Context(), c.Client, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	after := awaitVoter(t, c, wiped, wiped.Name)
	if after.ID == before.ID {
		t.Fatalf("the wiped master has its old server id %s", after.ID)
	}
	getUser(t, c, wiped, "before")
	removeIfThere(t, c, leader, before.ID, token)
	list := must[[]rig.MasterInfo](t)(c.Client.Masters(t.Context(), leader.API, token))
	if len(list) != 3 {
		t.Errorf("got %d masters, want 3 once the old server is gone: %+v", len(list), list)
	}
	// Two of the three that are left are a quorum again.
	third := c.Followers(leader)
	for _, m := range third {
		if m != wiped {
			if err := m.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	putUser(t, c, wiped, "after", map[string]string{"password": "a passphrase"})
	// What was removed cannot come back: a tombstone remembers it.
	answer := ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodDelete, URL: leader.API + "/gatehouse/v1/masters/" + before.ID, Token: token})
	if answer.Code != "ERR_UNKNOWN_MASTER" {
		t.Errorf("removed twice: got %s", answer.Body)
	}
}

// A master that runs on after its removal cannot answer for the cluster any more, and tells load balancers so.
func TestARemovedMasterIsUnhealthy(t *testing.T) {
	c := start(t, rig.Options{})
	token, leader := superuser(t, c), leaderOf(t, c)
	gone := c.Followers(leader)[0]
	row := must[rig.MasterInfo](t)(rowOf(t, c, leader, gone.Name))
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: leader.API + "/gatehouse/v1/masters/" + row.ID, Token: token})
	err := rig.Await(t.Context(), 15*time.Second, "the removed master is unhealthy", func(ctx context.Context) error {
		answer, err := c.Client.Do(ctx, rig.Request{Method: http.MethodGet, URL: gone.API + "/gatehouse/v1/health"})
		if err == nil && (answer.Status != http.StatusServiceUnavailable || !strings.Contains(string(answer.Body), "removed from the cluster")) {
			err = fmt.Errorf("got %d %s", answer.Status, answer.Body)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := leader.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
		t.Error(err)
	}
}

// removeIfThere removes a server that the cluster has not replaced by itself.
func removeIfThere(t *testing.T, c *rig.Cluster, m *rig.Master, id, token string) {
	t.Helper()
	answer := must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodDelete, URL: m.API + "/gatehouse/v1/masters/" + id, Token: token}))
	if answer.Status != http.StatusNoContent && answer.Code != "ERR_UNKNOWN_MASTER" {
		t.Fatalf("remove %s: got %d %s", id, answer.Status, answer.Body)
	}
}

// Data of another cluster does not get in, though its owner has the key (hostile C5).
func TestAMasterOfAnotherClusterDoesNotJoin(t *testing.T) {
	c := shared(t)
	stranger := start(t, rig.Options{Masters: 1})
	m := stranger.Masters[0]
	putUser(t, stranger, m, "stranger", map[string]string{"password": "a passphrase"})
	home := must[[]rig.MasterInfo](t)(c.Client.Masters(t.Context(), c.Masters[0].API, superuser(t, c)))
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	m.Replace("--cluster-key-file", c.KeyFile)
	m.Replace("--join", c.Masters[0].Gossip)
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	status, err := m.Wait(15 * time.Second)
	if err != nil || status == 0 {
		t.Errorf("got status %d (%v), want a refusal to start: the data are sealed with another key", status, err)
	}
	now := must[[]rig.MasterInfo](t)(c.Client.Masters(t.Context(), c.Masters[0].API, superuser(t, c)))
	if len(now) != len(home) {
		t.Errorf("got %d masters, want %d: %+v", len(now), len(home), now)
	}
}
