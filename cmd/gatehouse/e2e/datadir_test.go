//go:build e2e

package e2e

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// keepVersion names the version whose data directory is to be kept: go test -tags e2e -run TestKeepADataDirectory
// ./cmd/gatehouse/e2e -args -keep 0.1.0 writes testdata/data-0.1.0.tar.gz. Each release keeps one, once; a kept one
// is never written again.
var keepVersion = flag.String("keep", "", "write the data directory of this version into testdata")

// kept is what a kept data directory must show, beside it in the archive as expect.json.
type kept struct {
	Users, Services map[string]user
	Password        string // of every regular user but the superuser
	PrivateKey      string // of every service account
	KIDs            []string
	Revoked         string // a token that was revoked
	// Answers are those to some GETs, by path. They are kept since 0.3.0.
	Answers map[string]string
	// Secrets are those about secrets, and Shares open the store that is sealed. They are kept since 0.4.0.
	Secrets map[string]string
	Shares  []string
}

func TestKeepADataDirectory(t *testing.T) {
	if *keepVersion == "" {
		return // nothing to keep: the test beside it reads what was kept
	}
	archive := filepath.Join("testdata", "data-"+*keepVersion+".tar.gz")
	if _, err := os.Stat(archive); err == nil {
		t.Fatalf("%s exists; what a version wrote is never written again", archive)
	}
	c := start(t, rig.Options{Masters: 1})
	m := c.Masters[0]
	want := fillForKeeping(t, c, m)
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	expect := must[[]byte](t)(json.MarshalIndent(want, "", "  "))
	if err := errors.Join(os.WriteFile(filepath.Join(c.Dir, "expect.json"), expect, 0o600), os.MkdirAll("testdata", 0o755), pack(archive, c.Dir, m)); err != nil {
		t.Fatal(err)
	}
}

// fillForKeeping brings something of everything that there is into the state.
func fillForKeeping(t *testing.T, c *rig.Cluster, m *rig.Master) kept {
	t.Helper()
	token := superuser(t, c)
	key := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	want := kept{Password: "the kept passphrase", PrivateKey: must[string](t)(key.PrivatePEM())}
	for _, uid := range []string{"anna", "berta", "clara@example.com", "gone"} {
		putUser(t, c, m, uid, map[string]string{"password": want.Password, "description": "Größe of " + uid})
	}
	putUser(t, c, m, "external", map[string]string{"provider_type": "saml", "provider_id": "idp"})
	putUser(t, c, m, "service", map[string]string{"public_key": key.PublicPEM, "description": "a service"})
	want.Revoked = must[string](t)(c.Client.Login(t.Context(), m.API, "anna", want.Password))
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: userURL(m, "berta"), Token: token, Body: map[string]string{"description": "changed"},
		Header: map[string]string{"Idempotency-Key": "kept"}})
	ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: userURL(m, "gone"), Token: token})
	ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: m.API + "/gatehouse/v1/users/anna/revoke-tokens", Token: token})
	must[string](t)(c.Run(t.Context(), want.Password+"\n", "reset-superuser", "--admin-socket", m.AdminSocket, "clara@example.com"))
	if out, err := keysCommand(t, c, m, "prepare"); err != nil {
		t.Fatalf("prepare: %v\n%s", err, out)
	}
	if out, err := keysCommand(t, c, m, "activate", published(t, c, m)[1]); err != nil {
		t.Fatalf("activate: %v\n%s", err, out)
	}
	want.Answers = keepAccess(t, c, m, token)
	want.Shares, want.Secrets = keepSecrets(t, c, m, token)
	want.Users, want.Services, want.KIDs = usersOf(t, c, m, ""), usersOf(t, c, m, "?type=service"), published(t, c, m)
	return want
}

// keepAccess makes a group, a resource, grants, a provider with a user and the configuration of a directory, and returns what is told of
// them. The directory is kept since 0.5.0.
func keepAccess(t *testing.T, c *rig.Cluster, m *rig.Master, token string) map[string]string {
	t.Helper()
	const acl, directory = "/acs/api/v1/acls/dcos:kept:%252Fa%252F*", "/acs/api/v1/ldap/config"
	description := map[string]string{"description": "kept, Größe"}
	for _, r := range []rig.Request{
		{Method: http.MethodPut, URL: "/acs/api/v1/groups/keepers", Body: description},
		{Method: http.MethodPut, URL: "/acs/api/v1/groups/keepers/users/berta"},
		{Method: http.MethodPut, URL: acl, Body: description},
		{Method: http.MethodPut, URL: acl + "/users/berta/read"},
		{Method: http.MethodPut, URL: acl + "/groups/keepers/full"},
		{Method: http.MethodPut, URL: "/acs/api/v1/auth/oidc/providers/kept", Body: map[string]string{"description": "", "issuer": "https://idp.example",
			"base_url": "https://dcos.example", "client_id": "c", "client_secret": "kept in seal"}},
		{Method: http.MethodPut, URL: "/acs/api/v1/users/known@example.com", Body: map[string]string{"provider_type": "oidc", "provider_id": "kept"}},
		{Method: http.MethodPost, URL: "/gatehouse/v1/users/known@example.com/forget-subject"},
		{Method: http.MethodPut, URL: directory, Body: map[string]any{"host": "ldap.example", "port": 636, "use-ldaps": true, "enforce-starttls": false,
			"user-search":  map[string]string{"search-base": "ou=people,dc=example", "search-filter-template": "(uid=%(username)s)"},
			"group-search": map[string]any{"search-base": "ou=groups,dc=example", "search-filter-template": "(cn=%(groupname)s)", "member-attributes": []string{"memberUid"}},
			"lookup-dn":    "cn=reader,dc=example", "lookup-password": "kept in seal too"}},
	} {
		r.URL, r.Token = m.API+r.URL, token
		if answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r)); answer.Status/100 != 2 {
			t.Fatalf("%s %s: %d %s", r.Method, r.URL, answer.Status, answer.Body)
		}
	}
	answers := map[string]string{}
	for _, path := range []string{"/acs/api/v1/groups/keepers", "/acs/api/v1/groups/keepers/users", "/acs/api/v1/users/berta/permissions",
		acl, acl + "/permissions", "/acs/api/v1/auth/oidc/providers/kept", directory} {
		answers[path] = answerOf(t, c, m, token, path)
	}
	return answers
}

func answerOf(t *testing.T, c *rig.Cluster, m *rig.Master, token, path string) string {
	t.Helper()
	return string(ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + path, Token: token}).Body)
}

// Every version starts from the data that each earlier one wrote.
func TestKeptDataDirectoriesStillWork(t *testing.T) {
	archives := must[[]string](t)(filepath.Glob("testdata/data-*.tar.gz"))
	if len(archives) == 0 {
		t.Fatal("testdata has no data directory of any version")
	}
	for _, archive := range archives {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			dir := t.TempDir()
			if err := unpack(archive, dir); err != nil {
				t.Fatal(err)
			}
			var want kept
			decode(t, must[[]byte](t)(os.ReadFile(filepath.Join(dir, "expect.json"))), &want)
			c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Masters: 1, Dir: t.TempDir(), Binary: binary}))
			finish(t, c)
			m := c.Masters[0]
			m.DataDir = filepath.Join(dir, "data")
			m.Replace("--data-dir", m.DataDir)
			m.Replace("--cluster-key-file", filepath.Join(dir, "cluster.key"))
			for run := range 2 { // as it was kept, and as this version has written it
				if err := m.Start(); err != nil {
					t.Fatal(err)
				}
				if err := m.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
					t.Fatal(err)
				}
				checkKept(t, c, m, want)
				checkRaised(t, c, m, run == 0)
				checkSecrets(t, c, m, want)
				checkRaisedToSecrets(t, c, m, run == 0)
				if err := m.Stop(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func checkKept(t *testing.T, c *rig.Cluster, m *rig.Master, want kept) {
	t.Helper()
	if diff := cmp.Diff(want.Users, usersOf(t, c, m, "")); diff != "" {
		t.Errorf("users (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want.Services, usersOf(t, c, m, "?type=service")); diff != "" {
		t.Errorf("services (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want.KIDs, published(t, c, m)); diff != "" {
		t.Errorf("keys (-want +got)\n%s", diff)
	}
	for _, uid := range []string{"anna", "clara@example.com"} {
		if _, err := c.Client.Login(t.Context(), m.API, uid, want.Password); err != nil {
			t.Error(err)
		}
	}
	for path, answer := range want.Answers {
		if diff := cmp.Diff(answer, answerOf(t, c, m, superuser(t, c), path)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", path, diff)
		}
	}
	key := must[*rig.ServiceKey](t)(rig.ParseServiceKey(want.PrivateKey))
	signed := must[string](t)(key.Sign("service", time.Now().Add(time.Minute)))
	if _, err := c.Client.LoginService(t.Context(), m.API, "service", signed); err != nil {
		t.Error(err)
	}
	ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: userURL(m, "anna"), Token: want.Revoked})
}

// pack writes key file, expectations and data directory into an archive. The ballast only takes up room.
func pack(archive, dir string, m *rig.Master) error {
	file, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	zip := gzip.NewWriter(file)
	out := tar.NewWriter(zip)
	for _, name := range []string{"cluster.key", "expect.json"} {
		if err := packFile(out, filepath.Join(dir, name), name); err != nil {
			return err
		}
	}
	err = filepath.WalkDir(m.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "ballast" {
			return err
		}
		return packFile(out, path, filepath.Join("data", strings.TrimPrefix(path, m.DataDir)))
	})
	return errors.Join(err, out.Close(), zip.Close())
}

func packFile(out *tar.Writer, path, name string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err = out.Write(content)
	return err
}

func unpack(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for in := tar.NewReader(zip); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return os.MkdirAll(filepath.Join(dir, "data", "snapshots"), 0o700)
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(header.Name))
		content, err := io.ReadAll(in)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			return err
		}
	}
}
