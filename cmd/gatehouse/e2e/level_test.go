//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

func putGroup(m *rig.Master, token, gid string) rig.Request {
	return rig.Request{Method: http.MethodPut, URL: m.API + "/acs/api/v1/groups/" + gid, Token: token, Body: map[string]string{"description": ""}}
}

// Whoever can log in to a new cluster can use all of it: there is no moment in which it is at a lower level.
func TestANewClusterServesGroupsFromTheFirstLoginOn(t *testing.T) {
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Masters: 3, Dir: t.TempDir(), Binary: binary}))
	finish(t, c)
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range c.Masters {
		var token string
		await(t, 30*time.Second, "the first login at "+m.Name, func(ctx context.Context) (err error) {
			token, err = c.Client.Login(ctx, m.API, rig.Superuser, rig.SuperuserPassword)
			return err
		})
		ask(t, c, http.StatusCreated, putGroup(m, token, fmt.Sprint("group-", i)))
	}
}

// checkRaised waits until a cluster that began at level 1 is raised, and uses what that brings.
func checkRaised(t *testing.T, c *rig.Cluster, m *rig.Master, first bool) {
	t.Helper()
	token, status := superuser(t, c), http.StatusConflict
	if first {
		status = http.StatusCreated
	}
	await(t, 20*time.Second, "the level to be raised", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, status, putGroup(m, token, "kept"))
		return err
	})
	if first {
		ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodPut, URL: m.API + "/acs/api/v1/groups/kept/users/anna", Token: token})
	}
	ask(t, c, http.StatusConflict, rig.Request{Method: http.MethodPut, URL: m.API + "/acs/api/v1/groups/kept/users/anna", Token: token})
}
