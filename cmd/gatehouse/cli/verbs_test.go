package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"gatehouse/httpapi/client"
)

// What people see, in all three forms. "-" asks for a terminal of 80 cells.
func TestEveryVerbPrintsTablesJSONAndYAML(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	p.still = true
	var all strings.Builder
	for _, verb := range []string{
		"user list", "user show alice", "service-account list", "service-account show deployer",
		"user create bob --password-file " + p.file("pw", "bobs-password"), "user update alice --description x",
		"user delete --yes alice", "user revoke-tokens alice", "user forget-subject alice", "user forget-subject alice carol@example.com",
		"revoke-tokens --all --yes",
		"masters", "masters list", "masters remove --yes 3b8c", "health", "keys list", "keys prepare", "keys activate 3f0a", "keys retire --force --yes 9bd4…",
		"cluster-keys list", "cluster-keys activate 3f0a5c71d2e94b68", "cluster list", "cluster use prod", "token show",
		"whoami", "can-i dcos:x read", "can-i dcos:adminrouter:ops:mesos read --as alice",
		"group list", "group show ops", "group create new", "group update ops --description x", "group delete --yes ops",
		"group add ops alice deployer", "group remove ops alice",
		"acl list", "acl show dcos:adminrouter:ops:mesos", "acl create dcos:/new", "acl update dcos:adminrouter:ops:mesos --description x",
		"acl delete --yes dcos:adminrouter:ops:mesos", "permission show", "permission show --user alice", "permission show --group ops",
		"permission show dcos:adminrouter:ops:mesos", "permission show dcos:adminrouter:ops:mesos --user alice",
		"permission grant dcos:adminrouter:ops:mesos read update --user alice", "permission grant dcos:adminrouter:ops:mesos full --group ops",
		"permission revoke dcos:adminrouter:ops:mesos read --user alice", "permission revoke dcos:adminrouter:ops:mesos --all --group ops",
		"secret create prod/new --file " + p.file("value", "a value"), "secret list", "secret list prod", "secret list --deleted", "secret history prod/db", "secret history prod/old",
		"secret update prod/db --file " + p.file("value", "a value") + " --if-version 3", "secret delete --yes prod/db", "secret undelete prod/old", "secret purge --yes prod/db",
		"secret space prod/db /prod/shop", "store list", "store show default", "store create payments", "store update default --max-versions 20 --undelete 720h",
		"store delete --yes payments", "operator init --shares 2 --threshold 2 --yes --pgp-key " + p.file("alice.gpg", "\x99\x01\x0d\x04") + " --pgp-key " + p.file("bob.gpg", "\x99\x01\x0d\x04"),
		"operator status --store open", "operator seal --yes", "operator unseal --share-file " + p.file("share", "00ff\n"), "operator unseal --auto", "operator rekey --status",
		"operator rekey --cancel", "operator rotate",
		"provider list", "provider show company", "provider show adfs", "provider add new --type saml --base-url https://cluster.example --metadata-file " + p.file("idp.xml", "<xml/>"),
		"provider set company --description x", "provider remove --yes company", "provider test company",
		"ldap config show", "ldap config set --file " + p.file("ldap.yaml", "host: ldap.example\nport: 389\nuse-ldaps: false\nenforce-starttls: true\ndntemplate: uid=%(username)s\n"), "ldap config remove --yes",
		"ldap test alice --password-file " + p.file("pw", "the-password"), "ldap import-user alice", "ldap import-group ops", "ldap sync", "ldap sync --status",
	} {
		for _, form := range []string{"", "-", "--output json", "--output yaml"} {
			args := strings.Fields(strings.TrimPrefix(verb+" "+form, "-"))
			if p.terminal = form == "-"; p.terminal {
				args = args[:len(args)-1]
			}
			got := p.good(args...)
			checkForm(t, verb, form, got.stdout)
			if form == "-" && strings.Contains(got.stdout, "\x1b") {
				t.Errorf("%s: an escape reaches the terminal: %q", verb, got.stdout)
			}
			all.WriteString("$ gatehouse " + strings.ReplaceAll(verb, p.env["HOME"], "HOME") + " " + form + "\n" + got.stdout + "\n")
		}
	}
	golden(t, "verbs.txt", strings.NewReplacer(m.URL, "http://master.example:8101").Replace(all.String()))
}

func checkForm(t *testing.T, verb, form, text string) {
	t.Helper()
	var v any
	var err error
	switch form {
	case "--output json":
		err = json.Unmarshal([]byte(text), &v)
	case "--output yaml":
		err = yaml.Unmarshal([]byte(text), &v)
	default:
		return
	}
	if _, isMap := v.(map[string]any); err != nil || !isMap {
		t.Errorf("%s %s: got %v, %v; want one object:\n%s", verb, form, v, err, text)
	}
}

// The flags, prompts and bodies of what changes users.
func TestUsersAreChangedAsTheFlagsSay(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	for _, tt := range []struct {
		args      string
		stdin     string
		passwords []string // at a terminal
		want      asked
	}{
		{"user create bob --password-stdin", "from-stdin\nrest", nil, asked{"PUT", "/acs/api/v1/users/bob", "", `{"password":"from-stdin"}`}},
		{"user create bob --description x --insecure-password forced", "", nil, asked{"PUT", "/acs/api/v1/users/bob", "", `{"description":"x","password":"forced"}`}},
		{"user create bob", "", []string{"typed", "typed"}, asked{"PUT", "/acs/api/v1/users/bob", "", `{"password":"typed"}`}},
		{"user create bob --provider-type ldap", "", nil, asked{"PUT", "/acs/api/v1/users/bob", "", `{"provider_type":"ldap"}`}},
		{"user update alice --description=", "", nil, asked{"PATCH", "/acs/api/v1/users/alice", "", `{"description":""}`}},
		{"user update alice --ask-password", "", []string{"typed", "typed"}, asked{"PATCH", "/acs/api/v1/users/alice", "", `{"password":"typed"}`}},
		{"user update alice --password-stdin --insecure-current-password old", "new\n", nil, asked{"PATCH", "/acs/api/v1/users/alice", "", `{"password":"new","current_password":"old"}`}},
		{"user forget-subject carol@example.com alice", "", nil, asked{"POST", "/gatehouse/v1/users/alice/forget-subject", "", ""}},
		{"service-account delete --yes alice", "", nil, asked{"DELETE", "/acs/api/v1/users/alice", "", ""}},
	} {
		p.stdin, p.passwords, p.terminal = tt.stdin, tt.passwords, tt.passwords != nil
		got := p.good(strings.Fields(tt.args)...)
		tt.want.token = p.stored().Clusters["prod"].Token
		if last := m.last(); last != tt.want {
			t.Errorf("%s: the master was asked %+v, want %+v", tt.args, last, tt.want)
		}
		if warned := strings.Contains(got.stderr, "Warning"); warned != strings.Contains(tt.args, "insecure") {
			t.Errorf("%s: stderr %q", tt.args, got.stderr)
		}
	}
}

func TestTheCurrentPasswordIsAskedForWhenAMasterWantsIt(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	times := 0
	m.answer("PATCH /acs/api/v1/users/alice", func(w http.ResponseWriter) {
		if times++; times%2 == 1 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte("{\"description\":\"`current_password` must be provided to change one's own password.\",\"code\":\"ERR_INVALID_DATA\"}"))
		}
	})
	p.terminal, p.passwords = true, []string{"new", "new", "old"}
	p.good("user", "update", "alice", "--ask-password")
	if got, want := m.last().body, `{"password":"new","current_password":"old"}`; got != want {
		t.Errorf("the second time %s was sent, want %s", got, want)
	}
	p.terminal, p.stdin = false, "new"
	p.bad(StatusUsage, "--current-password-file", "user", "update", "alice", "--password-stdin")
}

func TestNewPasswordsAreTypedTwice(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	p.terminal = true
	for _, typed := range [][]string{{"one", "two"}, {""}, {"one", ""}, {"one"}} {
		p.passwords = typed
		p.bad(StatusUsage, "password", "user", "create", "bob")
	}
	if n := m.count("PUT", "/acs/api/v1/users/bob"); n != 0 {
		t.Errorf("bob was created %d times", n)
	}
}

// What can be wrong is said before anything is asked of a master, with what to do instead.
func TestWrongCommandLinesSayWhatToDo(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	empty, private := p.file("empty", "\n"), p.file("private.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	before := len(m.asked)
	for _, tt := range []struct{ args, want string }{
		{"user create bob", "use --password-file FILE or --password-stdin"},
		{"user create bob --password-stdin --password-file x", "want one of them"},
		{"user create bob --password-file /nonexistent", "--password-file: open /nonexistent"},
		{"user create bob --password-file " + empty, "the first line of " + empty + " is empty"},
		{"user create bob --password-stdin", "the first line of standard input is empty"},
		{"user create bob --insecure-password=", "must not be empty"},
		{"user create bob --provider-type oidc --password-stdin", "has no password"},
		{"user update alice", "--ask-password"},
		{"user update alice --ask-password --password-stdin", "want one of them"},
		{"user update alice --password-stdin --current-password-stdin", "want one of them"},
		{"user delete alice", "--yes"},
		{"service-account delete alice", "--yes"},
		{"revoke-tokens", "gatehouse user revoke-tokens UID"},
		{"revoke-tokens --all", "--yes"},
		{"service-account create x --public-key " + private, "holds a private key"},
		{"service-account create x --public-key " + empty, "no key in PEM form"},
		{"service-account create x --public-key /nonexistent", "--public-key: open"},
		{"service-account create x --public-key y --secret-file z", "makes no secret"},
		{"service-account create x --secret-file " + empty, "it is not overwritten"},
		{"service-account create x --login-endpoint nonsense", "login_endpoint"},
		{"health --strict --leader", "want one of them"},
		{"token verify --token-stdin --token-file x", "want one of them"},
		{"token verify --token-file /nonexistent", "--token-file: open"},
		{"token verify --jwks /nonexistent", "--jwks: open"},
		{"token verify --jwks https://idp.example/keys", "curl URL >jwks.json"},
		{"logout --all --name prod", "want one of them"},
		{"logout --name nope", "known are: prod"},
		{"cluster use nope", "known are: prod"},
		{"cluster remove nope", "known are: prod"},
		{"user list --cluster nope", "known are: prod"},
		{"user list --url nope --url ftp://x", `"nope" is no address of a cluster`},
		{"user list --url https://user:pass@host", "give it as https://HOST"},
		{"user list --ca-cert /nonexistent", "--ca-cert: open"},
		{"user list --ca-cert " + empty, "no certificate in PEM form"},
		{"user list --client-cert /nonexistent", "--client-cert: open"},
		{"user list --client-cert " + empty, "--client-key FILE"},
		{"user list --url nope --cluster nope --ca-cert /nonexistent", "3 things are wrong\n  - --url: \"nope\" is no address of a cluster\n    give it as"},
		{"login --url nope --ca-cert /nonexistent --service-key /nonexistent --password-stdin", "4 things are wrong\n  - --service-key and a password"},
		{"login --url nope --ca-cert /nonexistent --service-key /nonexistent", "3 things are wrong\n  - service key: open /nonexistent: no such file or directory\n  - --url: \"nope\" is no address of a cluster\n    give it"},
		{"user list --output xml", "want one of table, json, yaml"},
		{"user lst", "did you mean: gatehouse user list?"},
		{"user ls", "did you mean: gatehouse user list?"},
		{"user rm alice", "did you mean: gatehouse user delete?"},
		{"masters rm 3b8c", "did you mean: gatehouse masters remove?"},
		{"keys rotate", "did you mean: gatehouse keys prepare?"},
		{"user forget alice", "did you mean: gatehouse user forget-subject?"},
		{"user forget-subject", "the UID is missing"},
		{"user revoke alice", "did you mean: gatehouse user revoke-tokens?"},
		{"user show", "the UID is missing\n  use: gatehouse user show UID; see gatehouse user show --help"},
		{"masters remove", "the ID is missing"},
		{"keys activate", "the KID is missing"},
		{"cluster use", "the NAME is missing"},
		{"user create bob carol", "want one UID, got 2 arguments"},
		{"user list alice", "gatehouse user list takes no argument"},
		{"token verify abc", "use --token-file FILE or --token-stdin"},
		{"usr", "did you mean: gatehouse user?"},
		{"groups", "did you mean: gatehouse group?"},
		{"group rm ops", "did you mean: gatehouse group delete"},
		{"permission give x read", "did you mean: gatehouse permission grant?"},
		{"group add ops", "a GID and at least one UID"},
		{"group update ops", "--description TEXT"},
		{"group delete ops", "--yes"},
		{"acl delete dcos:x", "--yes"},
		{"acl show", "the RID is missing"},
		{"permission grant", "the RID is missing"},
		{"permission grant dcos:x --user a", "the ACTION is missing"},
		{"permission grant dcos:x raed --user a", "want one of create, read, update, delete, full"},
		{"permission grant read dcos:x --user a", "the resource comes first"},
		{"permission grant dcos:x read", "use --user UID or --group GID"},
		{"permission grant dcos:x read --user a --group b", "want one of them"},
		{"permission revoke dcos:x --user a", "name them, or say --all"},
		{"permission revoke dcos:x read --all --user a", "name them, or say --all"},
		{"provider add x", "--type: want oidc or saml"},
		{"provider add x --type oidc", "3 things are wrong\n  - --issuer is missing"},
		{"provider add x --type oidc --issuer i --base-url b --client-id c", "--client-secret-file FILE"},
		{"provider add x --type oidc --issuer i --base-url b --client-id c --client-secret-file " + empty, "the first line of " + empty + " is empty; the client secret"},
		{"provider add x --type oidc --issuer i --base-url b --client-id c --metadata-file " + private, "an OpenID Connect provider has no --metadata-file"},
		{"provider add x --type saml --base-url b", "--metadata-file is missing"},
		{"provider add x --type saml --base-url b --metadata-file /nonexistent", "--metadata-file: open /nonexistent"},
		{"provider add x --type saml --base-url b --metadata-file " + private + " --issuer x", "a SAML provider has no --issuer"},
		{"provider set x", "nothing to change"},
		{"provider remove x", "--yes"},
		{"provider create x", "did you mean: gatehouse provider add?"},
		{"ldap config set", "--file FILE"},
		{"ldap config set --file /nonexistent", "--file: open /nonexistent"},
		{"ldap config set --file " + private, "is no configuration of a directory"},
		{"ldap config set --file " + p.file("unknown.yaml", "host: a\nhots: b\n"), "line 2: a member is unknown"},
		{"ldap config remove", "--yes"},
		{"ldap test alice", "--password-file FILE"},
		{"ldap test", "the UID is missing"},
		{"ldap import-group", "the GID is missing"},
		{"can-i dcos:x", "a RID and an ACTION are needed"},
		{"can-i read dcos:x", "the resource comes first"},
		{"qwertyuiop", "see gatehouse --help"},
		{"login --uid x --service-key y --password-stdin", "want one of them"},
		{"user list --url https://host/@", "what is given is no address of a cluster"},
		{"user list --url https://host?token=somebody", "the address of host must not go on with ? or #"},
		{"user list --url m1:8101", "give it as https://HOST"},
		{"login --uid x --service-key " + empty, "neither a private key (PEM) nor a login secret"},
		{"login --uid x", "--password-file FILE, --password-stdin or --service-key FILE"},
		{"login --url " + m.URL + "/other", "--uid UID"},
	} {
		got := p.run(strings.Fields(tt.args)...)
		wantStatus := got.status == StatusUsage || strings.Contains(tt.args, "output") // main makes flag errors usage errors
		if !wantStatus || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%s: status %d, %s\nwant 2 and %q", tt.args, got.status, got.stderr, tt.want)
		}
	}
	if got := p.run("user", "list", "--url", "https://somebody:hunter2@@host/%zz", "--url", "somebody:hunter2", "--url", "https://x?hunter2"); strings.Contains(got.stderr, "hunter2") {
		t.Errorf("what was given as an address is shown: %s", got.stderr)
	}
	if got := p.run("token", "verify", "a.secret.token"); strings.Contains(got.stderr, "secret") {
		t.Errorf("the token is shown: %s", got.stderr)
	}
	if len(m.asked) != before {
		t.Errorf("the master was asked: %+v", m.asked[before:])
	}
}

func TestWhatCannotBeUndoneIsAskedAboutOnATerminal(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	p.terminal = true
	for args, request := range map[string]string{
		"user delete alice":          "/acs/api/v1/users/alice",
		"revoke-tokens --all":        "/gatehouse/v1/revoke-tokens",
		"masters remove 3b8c":        "/gatehouse/v1/masters/3b8ca8187639ba1d",
		"keys retire --force 9bd4":   "/gatehouse/v1/keys/" + strings.Repeat("9bd4", 16) + "/retire",
		"service-account delete bob": "/acs/api/v1/users/bob",
		"group delete ops":           "/acs/api/v1/groups/ops",
		"acl delete dcos:x":          "/acs/api/v1/acls/dcos:x",
		"secret delete prod/db":      "/secrets/v1/secret/default/prod/db",
		"secret purge prod/db":       "/gatehouse/v1/secrets/default/purge/prod/db",
		"provider remove company":    "/acs/api/v1/auth/oidc/providers/company",
		"ldap config remove":         "/acs/api/v1/ldap/config",
		"store delete payments":      "/secrets/v1/store/payments",
		"operator seal":              "/secrets/v1/seal/default",
	} {
		for _, answer := range []string{"", "n", "no", "yep"} {
			p.lines = []string{answer}
			p.bad(StatusFailed, "nothing was changed", strings.Fields(args)...)
		}
		p.lines = nil // Ctrl-D
		p.bad(StatusUsage, "--yes", strings.Fields(args)...)
		if last := m.last(); last.path == request {
			t.Errorf("%s: the master was asked %+v", args, last)
		}
	}
	p.bad(StatusUsage, "at least 4 characters", "masters", "remove", "--yes", "3b8")
	p.lines = []string{"Y"}
	p.good("user", "delete", "alice")
	p.good("user", "delete", "alice", "-y")
}

// Scripts of before have no --yes; --force says enough.
func TestScriptsRetireKeysWithForceAlone(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	p.good("keys", "retire", "--force", strings.Repeat("9bd4", 16))
	if got := m.last(); got.body != `{"force":true}` {
		t.Errorf("the master was asked %+v", got)
	}
}

func TestBeginningsOfIDsAreEnoughWhenTheyAreClear(t *testing.T) {
	ids := []string{"abc1", "abd2", "abd23"}
	same := func(s string) string { return s }
	for typed, want := range map[string]string{"abc": "abc1", "abc…": "abc1", "abd2": "abd2", "abd23": "abd23"} {
		if got, err := pick(ids, typed, "key", same); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{"", "…", "x", "abd", "abc12"} {
		if got, err := pick(ids, typed, "key", same); err == nil {
			t.Errorf("%q: got %q, want an error", typed, got)
		}
	}
}

// A login secret is written before the account is made, to a file of its owner's, and only stays if it may be of use.
func TestServiceAccountsGetTheirSecret(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	m.answer("PUT /acs/api/v1/users/svc", nil)
	path := filepath.Join(t.TempDir(), "svc.json")
	p.good("service-account", "create", "svc", "--secret-file", path, "--login-endpoint", "https://master.mesos/acs/api/v1/auth/login")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("the secret: %v, %v; want mode 0600", info, err)
	}
	text, _ := os.ReadFile(path)
	secret, err := client.ParseLoginSecret(text)
	if err != nil || secret.UID != "svc" || secret.LoginEndpoint != "https://master.mesos/acs/api/v1/auth/login" || secret.Scheme != "RS256" {
		t.Errorf("the secret is %v, %v", secret, err)
	}
	var sent struct {
		PublicKey string `json:"public_key"`
	}
	key, _ := secret.Key()
	public, _ := client.PublicKeyPEM(&key.PublicKey)
	if json.Unmarshal([]byte(m.last().body), &sent) != nil || sent.PublicKey != public {
		t.Errorf("the master got %s, which is not the key of the secret", m.last().body)
	}
	got := p.good("service-account", "create", "svc")
	if secret, err := client.ParseLoginSecret([]byte(got.stdout)); err != nil || secret.LoginEndpoint != m.URL+"/acs/api/v1/auth/login" {
		t.Errorf("printed secret: %v, %v", secret, err)
	}
	var inYAML map[string]string
	if got := p.good("service-account", "create", "svc", "-o", "yaml"); yaml.Unmarshal([]byte(got.stdout), &inYAML) != nil || inYAML["scheme"] != "RS256" {
		t.Errorf("as YAML: %s", got.stdout)
	}
}

func TestASecretOfNoAccountIsRemoved(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	m.answer("PUT /acs/api/v1/users/svc", no{409, `{"title":"409 Conflict","code":"ERR_USER_EXISTS"}`})
	path := filepath.Join(t.TempDir(), "svc.json")
	p.bad(StatusFailed, "ERR_USER_EXISTS", "service-account", "create", "svc", "--secret-file", path)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the secret is still there: %v", err)
	}
	m.answer("PUT /acs/api/v1/users/svc", no{500, `{"title":"500"}`})
	p.bad(StatusUnknown, "its login secret is in "+path, "service-account", "create", "svc", "--secret-file", path)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the secret of an account that may exist: %v", err)
	}
}

func TestEveryVerbHasAShortTextAndAnExample(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s: short %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	for _, cmd := range Commands(Env{}) {
		walk(cmd)
	}
}

func TestCompletionKnowsVerbsAndStoredClusters(t *testing.T) {
	p := loggedInTo(t, full(t))
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := p.good("completion", shell); !strings.Contains(got.stdout, "gatehouse") {
			t.Errorf("%s: %q", shell, got.stdout)
		}
	}
	for line, want := range map[string]string{
		"__complete user show |": "deployer\tDeploys", "__complete service-account delete |": "alice", "__complete group show |": "ops\tOperations",
		"__complete group add ops |": "carol@example.com\tuser", "__complete group remove ops |": "deployer",
		"__complete acl show |": "dcos:adminrouter:ops:mesos", "__complete permission grant |": "dcos:service:metronome:metronome:jobs:/prod\tJobs\\x1b[2J",
		"__complete permission grant dcos:x |": "create\nread\nupdate\ndelete\nfull\n", "__complete can-i dcos:x |": "full", "__complete can-i --as |": "alice",
		"__complete permission revoke dcos:x read |": "create\nupdate\ndelete\nfull\n", "__complete permission show --user |": "deployer",
		"__complete permission show --group |": "superusers", "__complete cluster use |": "prod", "__complete user |": "revoke-tokens", "__complete user forget-subject alice |": "carol@example.com", "__complete user list --output |": "yaml", "__complete login --name |": "prod"} {
		args := strings.Fields(line)
		args[len(args)-1] = ""
		if got := p.good(args...); !strings.Contains(got.stdout, want) {
			t.Errorf("%s: %s\nwant %q", line, got.stdout, want)
		}
	}
}
