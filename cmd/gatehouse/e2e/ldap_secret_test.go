//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// awaitLogin is a check that somebody of the directory can log in.
func awaitLogin(c *rig.Cluster, m *rig.Master, u rig.LDAPUser) func(context.Context) error {
	return func(ctx context.Context) error {
		answer, err := ldapLogin(ctx, c, m, u.UID, u.Password)
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("got %d %s", answer.Status, answer.Body)
		}
		return err
	}
}

// Passwords of users, that of the lookup account and the key of the masters' certificate are in no file of any master: data, audit
// trail, log at debug level: hostile D13. Superusers alone are shown the configuration (contract 9, decision 4).
func TestSecretsOfTheDirectoryAreInNoFile(t *testing.T) {
	u := rig.LDAPUser{UID: "planted", Password: "a-users-planted-passphrase"}
	s := slapd(t, rig.SlapdOptions{Users: []rig.LDAPUser{u}, Groups: []rig.LDAPGroup{{Name: "planted", Members: []string{u.UID}}}})
	cert, key, err := s.Authority.Issue(rig.Leaf{Name: "a master"})
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, rig.Options{Flags: []string{"--log-level", "debug", "--ldap-sync-interval", "0s"}})
	config := with(s.SearchConfig(), map[string]any{"lookup-dn": rig.LookupDN, "lookup-password": rig.LookupPassword, "use-ldaps": true, "port": s.TLSPort,
		"ca-certs": string(s.Authority.PEM), "client-cert": string(key) + string(cert)})
	configure(t, c, c.Masters[0], config)
	for _, m := range c.Masters {
		logsIn(t, c, m, u.UID, u.Password, http.StatusOK, "")
		logsIn(t, c, m, u.UID, "another-planted-passphrase", http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS")
		probe(t, c, m, u.UID, u.Password)
		shown := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + ldapPath + "/config", Token: superuser(t, c)})
		if !strings.Contains(string(shown.Body), rig.LookupPassword) {
			t.Errorf("the configuration shows no password: %s", shown.Body)
		}
	}
	importGroup(t, c, c.Masters[0], http.StatusCreated, "planted")
	synchronise(t, c, c.Masters[1], false)
	configure(t, c, c.Masters[2], with(config, map[string]any{"lookup-password": "wrong-planted-passphrase"}))
	logsIn(t, c, c.Masters[0], u.UID, u.Password, http.StatusUnauthorized, "ERR_LDAP_AUTH_FAILED")
	order(t, c, c.Masters[0], http.StatusBadRequest, syncPath, nil)
	audited := audit(t, c)
	for _, want := range []string{"iam.ldap.config.get", "iam.ldap.config.put", "iam.ldap.import.group", "add user planted to group planted"} {
		if !strings.Contains(audited, want) {
			t.Errorf("the audit trail lacks %q", want)
		}
	}
	for _, m := range c.Masters {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	inner := strings.Split(string(key), "\n")[1] // a line of the key
	for _, secret := range []string{u.Password, "another-planted-passphrase", rig.LookupPassword, "wrong-planted-passphrase", inner} {
		for _, file := range holding(t, c.Dir, secret) {
			t.Errorf("%s holds %q", file, secret)
		}
	}
	if len(holding(t, c.Dir, rig.LookupDN)) == 0 {
		t.Error("the search does not even find the name of the lookup account")
	}
}

// audit is the audit trail of all masters.
func audit(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	var all strings.Builder
	for _, m := range c.Masters {
		for _, file := range must[[]string](t)(filepath.Glob(filepath.Join(m.DataDir, "audit", "*"))) {
			all.Write(must[[]byte](t)(os.ReadFile(file)))
		}
	}
	return all.String()
}

// holding are the files below dir with that text in them.
func holding(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
