//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// diskSize is the size of each master's own file system.
const diskSize = "192m"

// onOwnDisk runs the master in a mount namespace of its own, where a small tmpfs lies over its data directory. The
// mount goes with the process. Other users than root get a user namespace for it.
func onOwnDisk(m *rig.Master) {
	namespace := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		namespace = []string{"unshare", "--user", "--map-root-user", "--mount"}
	}
	script := `mkdir -p "$0" && mount -t tmpfs -o mode=700,size=` + diskSize + ` gatehouse "$0" && exec "$@"`
	m.Argv = append(append(namespace, "sh", "-c", script, m.DataDir), m.Argv...)
}

// within is a path in the master's own mount namespace.
func within(m *rig.Master, path string) string { return fmt.Sprintf("/proc/%d/root%s", m.PID(), path) }

// leftOver is the room that fillDisk leaves, in bytes.
const leftOver = 16 << 10

// fillDisk takes nearly all the room that a master has beside its ballast. Once the master has given that up, the room is Raft's:
// who took it too would stop the cluster, and not only writes.
func fillDisk(m *rig.Master) error {
	if _, err := os.Stat(within(m, filepath.Join(m.DataDir, "ballast"))); err != nil {
		return nil
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(within(m, m.DataDir), &disk); err != nil {
		return err
	}
	file, err := os.OpenFile(within(m, filepath.Join(m.DataDir, "filler")), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for free := int64(disk.Bavail)*disk.Bsize - leftOver; free > 0; free -= 1 << 20 {
		if _, err := file.Write(make([]byte, min(free, 1<<20))); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return nil
}

// saysFull reports whether the master's health names its disk.
func saysFull(ctx context.Context, c *rig.Cluster, m *rig.Master) error {
	health, err := c.Client.Expect(ctx, http.StatusServiceUnavailable, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/health"})
	if err == nil && !strings.Contains(string(health.Body), "disk") {
		err = fmt.Errorf("health says %s, want the disk as the reason", health.Body)
	}
	return err
}

// Every disk of the cluster fills up under load (goal G10): writes are refused with 503 and nothing that was refused
// takes effect; reads and logins go on; when there is room again the same processes take writes again.
func TestFullDisksStopWritesAndNothingElse(t *testing.T) {
	c := start(t, rig.Options{Wrap: onOwnDisk})
	var pids []int
	for _, m := range c.Masters {
		pids = append(pids, m.PID())
	}
	putUser(t, c, c.Masters[0], "reader", map[string]string{"password": "a passphrase"})
	books := keepBooks(t, c, anyOf(c))
	books.awaitMore(t, 100, 30*time.Second)

	refused := func(ctx context.Context) error {
		for _, m := range c.Masters {
			if err := fillDisk(m); err != nil {
				return err
			}
		}
		for _, m := range c.Masters { // a change that is let in before a master has noticed waits for room, and for its deadline
			if err := saysFull(ctx, c, m); err != nil {
				return err
			}
		}
		for _, m := range c.Masters {
			answer, err := c.Client.Do(ctx, rig.Request{Method: http.MethodPatch, URL: userURL(m, "reader"), Token: superuser(t, c), Body: map[string]string{"description": "full"}})
			if err != nil {
				return err
			}
			if answer.Status != http.StatusServiceUnavailable || answer.Code != "ERR_DISK_LOW" || answer.Header.Get("Retry-After") == "" {
				return fmt.Errorf("%s: got %d %s %s, want 503 ERR_DISK_LOW and Retry-After", m.Name, answer.Status, answer.Code, answer.Body)
			}
		}
		return nil
	}
	await(t, 30*time.Second, "all masters to refuse writes", refused)
	for _, m := range c.Masters {
		getUser(t, c, m, "reader")
		if _, err := c.Client.Login(t.Context(), m.API, "reader", "a passphrase"); err != nil {
			t.Errorf("%s: login on a full disk: %v", m.Name, err)
		}
		await(t, 10*time.Second, m.Name+" to say that its disk is full", func(ctx context.Context) error { // the others refuse writes because the leader's is
			if err := fillDisk(m); err != nil {
				return err
			}
			return saysFull(ctx, c, m)
		})
	}

	for _, m := range c.Masters {
		if err := os.Remove(within(m, filepath.Join(m.DataDir, "filler"))); err != nil {
			t.Fatal(err)
		}
	}
	books.awaitMore(t, 50, 30*time.Second)
	if err := c.AwaitHealthy(t.Context(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	await(t, 10*time.Second, "health of all", func(ctx context.Context) error {
		for _, m := range c.Masters {
			if _, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/health"}); err != nil {
				return err
			}
		}
		return nil
	})
	for i, m := range c.Masters {
		if m.PID() != pids[i] || m.Ended() != nil {
			t.Errorf("%s was restarted or has ended: %v", m.Name, m.Ended())
		}
	}
	books.audit(t, c)
	must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 20*time.Second))
}

// Only the leader's disk is full: leadership moves to a master that has room, and writes go on.
func TestAFullDiskCostsTheLeaderItsLead(t *testing.T) {
	c := start(t, rig.Options{Wrap: onOwnDisk})
	token, full := superuser(t, c), leaderOf(t, c)
	putUser(t, c, full, "reader", map[string]string{"password": "a passphrase"})
	await(t, 30*time.Second, "another leader and writes again", func(ctx context.Context) error {
		if err := fillDisk(full); err != nil {
			return err
		}
		row, err := rowOf(t, c, full, full.Name)
		if err == nil && row.Leader {
			err = fmt.Errorf("%s still leads", full.Name)
		}
		if err != nil {
			return err
		}
		for _, m := range c.Masters {
			_, err := c.Client.Expect(ctx, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: userURL(m, "reader"), Token: token, Body: map[string]string{"description": m.Name}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := os.Remove(within(full, filepath.Join(full.DataDir, "filler"))); err != nil {
		t.Fatal(err)
	}
	must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 20*time.Second))
}
