//go:build e2e

package e2e

import (
	"net/http"
	"regexp"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// metricsOf is what a master tells a monitor.
func metricsOf(t *testing.T, c *rig.Cluster, m *rig.Master) string {
	t.Helper()
	return string(ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/metrics"}).Body)
}

// counted wants a series in which at least one master has counted something.
func counted(t *testing.T, c *rig.Cluster, series string) {
	t.Helper()
	sample := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`)
	for _, m := range c.Masters {
		if found := sample.FindStringSubmatch(metricsOf(t, c, m)); found != nil && found[1] != "0" {
			return
		}
	}
	t.Errorf("nobody counts %s", series)
}
