//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// curl and the resolver of the host know the masters as programs in a cluster do: http://master.mesos, port 80, asked of
// the nameservers in /etc/resolv.conf, which are the masters. A new master joins by the same name. What curl repeats of
// its own accord gets it through a rolling restart.
func TestCurlFindsTheMastersByNameAtPort80(t *testing.T) {
	hosts, n := rig.PlainHosts(), 0
	inside := must[*rig.Namespace](t)(rig.NewNamespace(t.Context(), t.TempDir(), hosts.Host(1), hosts.Host(2), hosts.Host(3)))
	t.Cleanup(inside.Close)
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary, Flags: []string{"--dns-listen", ""}, Wrap: func(m *rig.Master) {
		n++
		hosts.Place(m, n)
		m.Replace("--join", hosts.Join(3))
		if n > 3 {
			m.Replace("--join", "master.mesos")
		}
		m.Argv = inside.Enter(m.Argv...)
	}}))
	finish(t, c)
	startAll(t, c.Masters...)
	curl := func(ctx context.Context, args ...string) (string, error) {
		return inside.Run(ctx, append([]string{"curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "20", "--retry", "5",
			"--retry-connrefused", "--retry-max-time", "25", "--header", "Content-Type: application/json"}, args...)...)
	}
	healthy := func(url string) {
		t.Helper()
		await(t, 30*time.Second, url+" healthy", func(ctx context.Context) error {
			_, err := inside.Run(ctx, "curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "5", url+"/gatehouse/v1/health/strict")
			return err
		})
	}
	for _, m := range c.Masters {
		healthy(m.API)
	}
	healthy("http://master.mesos")
	healthy("http://leader.mesos")
	healthy("http://m3.master.mesos")

	const front = "http://master.mesos/acs/api/v1"
	body := must[string](t)(curl(t.Context(), "--data", `{"uid": "`+rig.Superuser+`", "password": "`+rig.SuperuserPassword+`"}`, front+"/auth/login"))
	var login struct{ Token string }
	if err := json.Unmarshal([]byte(body), &login); err != nil {
		t.Fatalf("login: %v: %s", err, body)
	}
	token := "Authorization: token=" + login.Token
	must[*rig.Master](t)(c.Add("m4"))
	for i, m := range c.Masters {
		if i < 3 {
			if err := m.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		uid := named(t, m.Name)
		must[string](t)(curl(t.Context(), "--request", http.MethodPut, "--header", token, "--header", "Idempotency-Key: "+uid, "--data", `{"password": "a passphrase"}`, front+"/users/"+uid))
		must[string](t)(curl(t.Context(), "--header", token, front+"/users/"+uid))
		if i < 3 {
			startAll(t, m)
		}
		healthy(m.API)
	}
}
