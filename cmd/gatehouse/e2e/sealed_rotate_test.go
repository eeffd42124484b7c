//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// S22: a new data key while the leader is killed. What an old key sealed stays readable through every master, and is all sealed
// anew in the end.
func TestARotationCompletesAlthoughTheLeaderIsKilled(t *testing.T) {
	const secrets = 300
	c := start(t, rig.Options{})
	keepMany(t, c, secrets)
	leader := leaderOf(t, c)
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: leader.API + ourSecrets + "default/rotate", Token: superuser(t, c), Body: map[string]string{}})
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	for i, m := range c.Running() {
		readable(t, c, m, "default", fmt.Sprintf("many/%d", i), "the value")
	}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		await(t, 30*time.Second, "everything sealed anew, as "+m.Name+" knows", func(ctx context.Context) error {
			left, keys, err := pendingAt(ctx, c, m)
			if err == nil && (left != 0 || keys == 0) {
				err = fmt.Errorf("%d are left, %d data keys", left, keys)
			}
			return err
		})
		for i := 0; i < secrets; i += 60 {
			readable(t, c, m, "default", fmt.Sprintf("many/%d", i), "the value")
		}
	}
}

// keepMany writes that many secrets through all masters at once.
func keepMany(t *testing.T, c *rig.Cluster, n int) {
	t.Helper()
	token := superuser(t, c)
	var writers errgroup.Group
	writers.SetLimit(12)
	for i := range n {
		writers.Go(func() error {
			return rig.Await(t.Context(), 20*time.Second, "a secret to be kept", func(ctx context.Context) error {
				answer, err := c.Client.Do(ctx, rig.Request{Method: http.MethodPut, URL: secretURL(c.Masters[i%3], "default", fmt.Sprintf("many/%d", i)),
					Token: token, Body: map[string]string{"value": "the value"}})
				if err == nil && answer.Status != http.StatusCreated && answer.Status != http.StatusConflict { // of an attempt whose outcome was unknown
					err = fmt.Errorf("answered %d: %s", answer.Status, answer.Body)
				}
				return err
			})
		})
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
}

var dataKeyMetric = regexp.MustCompile(`(?m)^gatehouse_store_(reencryption_pending|data_keys)\{store="default"\} (\d+)$`)

// pendingAt is how many versions older data keys have sealed, and how many keys there are, as the metrics of m tell.
func pendingAt(ctx context.Context, c *rig.Cluster, m *rig.Master) (left, keys int, err error) {
	answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/metrics"})
	if err != nil {
		return 0, 0, err
	}
	told := map[string]int{}
	for _, found := range dataKeyMetric.FindAllSubmatch(answer.Body, -1) {
		if told[string(found[1])], err = strconv.Atoi(string(found[2])); err != nil {
			return 0, 0, err
		}
	}
	return told["reencryption_pending"], told["data_keys"], nil
}
