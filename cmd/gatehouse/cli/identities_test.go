package cli

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// The flags, prompts and bodies of what configures providers and the directory.
func TestProvidersAndTheDirectoryAreConfiguredAsTheFlagsSay(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	secret, xml, pem := p.file("secret", "hunter2\n"), p.file("idp.xml", "<xml/>"), p.file("ca.pem", "pem\n")
	file := p.file("ldap.yaml", "host: ldap.example\nport: 389\nuse-ldaps: false\nenforce-starttls: true\nlookup-dn: cn=a\nuser-search: {search-base: ou=p, search-filter-template: '(uid=%(username)s)'}\n")
	const oidc = "provider add new --type oidc --issuer https://i --base-url https://b --client-id c"
	const directory = `{"host":"ldap.example","port":389,"use-ldaps":false,"enforce-starttls":true,` +
		`"user-search":{"search-base":"ou=p","search-filter-template":"(uid=%(username)s)"},"lookup-dn":"cn=a"`
	for _, tt := range []struct {
		args      string
		stdin     string
		passwords []string // at a terminal
		want      asked
	}{
		{oidc + " --client-secret-file " + secret + " --provider-ca-cert " + pem + " --verify-certificate=false --description d", "", nil, asked{"PUT", "/acs/api/v1/auth/oidc/providers/new", "",
			`{"description":"d","issuer":"https://i","base_url":"https://b","client_id":"c","client_secret":"hunter2","verify_server_certificate":false,"ca_certs":"pem\n"}`}},
		{oidc + " --client-secret-file -", "piped\n", nil, asked{"PUT", "/acs/api/v1/auth/oidc/providers/new", "",
			`{"description":"","issuer":"https://i","base_url":"https://b","client_id":"c","client_secret":"piped"}`}},
		{oidc, "", []string{"typed"}, asked{"PUT", "/acs/api/v1/auth/oidc/providers/new", "",
			`{"description":"","issuer":"https://i","base_url":"https://b","client_id":"c","client_secret":"typed"}`}},
		{"provider add new --type saml --base-url https://b --metadata-file " + xml, "", nil, asked{"PUT", "/acs/api/v1/auth/saml/providers/new", "",
			`{"description":"","idp_metadata":"\u003cxml/\u003e","sp_base_url":"https://b"}`}},
		{"provider set company --ask-client-secret", "", []string{"typed"}, asked{"PATCH", "/acs/api/v1/auth/oidc/providers/company", "",
			`{"description":"","issuer":"","base_url":"","client_id":"","client_secret":"typed"}`}},
		{"provider set adfs --metadata-file -", "<new/>", nil, asked{"PATCH", "/acs/api/v1/auth/saml/providers/adfs", "", `{"description":"","idp_metadata":"\u003cnew/\u003e","sp_base_url":""}`}},
		{"ldap config set --file " + file, "", nil, asked{"PUT", "/acs/api/v1/ldap/config", "", directory + "}"}},
		{"ldap config set --file - --lookup-password-file " + secret + " --directory-ca-cert " + pem + " --directory-client-cert " + secret,
			`{"host":"ldap.example","port":389,"use-ldaps":false,"enforce-starttls":true,"lookup-dn":"cn=a","user-search":{"search-base":"ou=p","search-filter-template":"(uid=%(username)s)"}}`, nil,
			asked{"PUT", "/acs/api/v1/ldap/config", "", directory + `,"lookup-password":"hunter2","ca-certs":"pem\n","client-cert":"hunter2\n"}`}},
		{"ldap config set --ask-lookup-password --file " + file, "", []string{"typed"}, asked{"PUT", "/acs/api/v1/ldap/config", "", directory + `,"lookup-password":"typed"}`}},
		{"ldap test alice", "", []string{"typed"}, asked{"POST", "/acs/api/v1/ldap/config/test", "", `{"password":"typed","uid":"alice"}`}},
		{"ldap import-user alice", "", nil, asked{"POST", "/acs/api/v1/ldap/importuser", "", `{"username":"alice"}`}},
		{"ldap import-group ops", "", nil, asked{"POST", "/acs/api/v1/ldap/importgroup", "", `{"groupname":"ops"}`}},
		{"ldap sync --force", "", nil, asked{"POST", "/gatehouse/v1/ldap/sync", "", `{"force":true}`}},
	} {
		p.stdin, p.passwords, p.terminal = tt.stdin, tt.passwords, tt.passwords != nil
		got := p.good(strings.Fields(tt.args)...)
		tt.want.token = p.stored().Clusters["prod"].Token
		if last := m.last(); last != tt.want {
			t.Errorf("%s: the master was asked %+v, want %+v", tt.args, last, tt.want)
		}
		if strings.Contains(got.stdout+got.stderr, "hunter2") || strings.Contains(got.stdout+got.stderr, "typed") {
			t.Errorf("%s shows a secret: %s%s", tt.args, got.stdout, got.stderr)
		}
	}
}

func TestSecretsOfConfigurationsAreShownOnRequestAlone(t *testing.T) {
	p := loggedInTo(t, full(t))
	for _, args := range []string{"provider show company", "ldap config show"} {
		for _, form := range []string{"table", "json", "yaml"} {
			without := p.good(append(strings.Fields(args), "--output", form)...).stdout
			with := p.good(append(strings.Fields(args), "--output", form, "--secrets")...).stdout
			if strings.Contains(without, "hunter2") || !strings.Contains(with, "hunter2") {
				t.Errorf("%s, %s:\n%s\nwith --secrets:\n%s", args, form, without, with)
			}
		}
	}
}

// What is shown with secrets can be set again, with nothing lost.
func TestAShownDirectoryCanBeSet(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	for _, form := range []string{"json", "yaml"} {
		p.stdin = p.good("ldap", "config", "show", "--secrets", "--output", form).stdout
		p.good("ldap", "config", "set", "--file", "-")
		var sent, shown map[string]any
		if err := json.Unmarshal([]byte(m.last().body), &sent); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(p.good("ldap", "config", "show", "--secrets", "--output", "json").stdout), &shown); err != nil {
			t.Fatal(err)
		}
		if len(sent) != len(shown) || sent["lookup-password"] != "hunter2" {
			t.Errorf("%s: sent %v, shown %v", form, sent, shown)
		}
	}
}

// The master that is asked may not know yet of a provider that another one has just taken.
func TestAProviderThatWasJustMadeIsLookedForAgain(t *testing.T) {
	m := withProviders(t)
	p := loggedInTo(t, m)
	const lists = "/acs/api/v1/auth/oidc/providers"
	late := func() { // from the third question on it is known
		questions := 0
		m.answer("GET "+lists, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			if questions++; questions < 3 {
				_, _ = w.Write([]byte(`{"other":"Other"}`))
				return
			}
			_, _ = w.Write([]byte(`{"company":"Company"}`))
		})
	}
	for _, args := range []string{"provider show company", "provider remove --yes company", "provider set company --description Company"} {
		late()
		before := m.count("GET", lists)
		p.good(strings.Fields(args)...)
		if n := m.count("GET", lists) - before; n != 3 {
			t.Errorf("%s: looked %d times, want 3", args, n)
		}
	}
	late()
	p.browse(func(start *url.URL) { bring(t, land(start, "/?code=good"), nil) })
	p.good("login", "--url", m.URL, "--provider", "company")
	late()
	p.bad(StatusFailed, "there is no provider nobody", "provider", "show", "nobody")
}

func TestTestsThatFailSaySoByTheirStatus(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	p.bad(StatusFailed, "will fail", "provider", "test", "adfs")
	p.stdin = "the password\n"
	test := func(status int, code, want string) {
		t.Helper()
		m.answer("POST /acs/api/v1/ldap/config/test", no{status, `{"code":"` + code + `","description":"What happened."}`})
		if got := p.run("ldap", "test", "alice", "--password-stdin"); got.status != StatusFailed || !strings.Contains(got.stdout, "What happened.") || !strings.Contains(got.stderr, want) {
			t.Errorf("%d %s: status %d, %s%s", status, code, got.status, got.stdout, got.stderr)
		}
	}
	test(http.StatusOK, "SUCCESS_BUT_INVALID_CREDENTIALS", "does not let this user in\n  a DN in the answer says who was refused: the user, or lookup-dn")
	test(http.StatusBadGateway, "DIRECTORY_UNREACHABLE", "could not be asked")
	before := m.count("POST", "/acs/api/v1/ldap/config/test")
	test(http.StatusBadGateway, "TLS_FAILED", "could not be asked")
	if n := m.count("POST", "/acs/api/v1/ldap/config/test"); n != before+1 {
		t.Errorf("an answer was asked for %d times", n-before)
	}
}

func TestPartialImportsAndRefusedSynchronisationsSayWhatToDo(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	m.answer("POST /acs/api/v1/ldap/importgroup", func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "/acs/api/v1/groups/Ops")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"imported_user_count":9}`))
	})
	if got := p.good("ldap", "import-group", "ops"); !strings.Contains(got.stdout, "the group Ops, but not all of its members: 9 new users. If time ran out, gatehouse ldap sync adds the others") {
		t.Errorf("a partial import: %s", got.stdout)
	}
	m.answer("POST /gatehouse/v1/ldap/sync", no{409, `{"title":"409 Conflict","description":"The directory does not have 9 of 9 users any more. Ask with ` + "`force`" + `.","code":"ERR_CONFLICT"}`})
	p.bad(StatusFailed, "gatehouse ldap sync --force", "ldap", "sync")
	for _, other := range []string{"An import or a synchronisation is running. Nothing was changed.", "The LDAP configuration was changed meanwhile."} {
		m.answer("POST /gatehouse/v1/ldap/sync", no{409, `{"title":"409 Conflict","description":"` + other + `","code":"ERR_CONFLICT"}`})
		if got := p.run("ldap", "sync"); got.status != StatusFailed || !strings.Contains(got.stderr, other) || strings.Contains(got.stderr, "--force") {
			t.Errorf("%q: status %d, %q", other, got.status, got.stderr)
		}
	}
	p.bad(StatusUsage, "--force and --status: want one of them", "ldap", "sync", "--force", "--status")
	m.answer("GET /acs/api/v1/ldap/config", no{400, `{"title":"400 Bad Request","description":"No LDAP configuration stored yet.","code":"ERR_LDAP_CONFIG_NOT_AVAILABLE"}`})
	p.bad(StatusFailed, "gatehouse ldap config set --file FILE", "ldap", "config", "show")
}

func TestWhatWouldChangeNothingOfAProviderIsRefused(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	p.bad(StatusUsage, "nothing to change", "provider", "set", "company")
	for _, flag := range []string{"description", "base-url", "issuer", "client-id", "client-secret-file", "provider-ca-cert", "metadata-file"} {
		p.bad(StatusUsage, "--"+flag+" is empty", "provider", "set", "company", "--"+flag, "")
	}
	if n := m.count("PATCH", "/acs/api/v1/auth/oidc/providers/company"); n != 0 {
		t.Errorf("%d changes were sent", n)
	}
}

func TestHowTheDirectoryIsProtectedHasToBeSaid(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	for _, missing := range []string{"use-ldaps: false\n", "enforce-starttls: true\n", "use-ldaps: false\nenforce-starttls:\n"} {
		p.bad(StatusUsage, "want true or false for both", "ldap", "config", "set", "--file", p.file("ldap.yaml", "host: ldap.example\nport: 389\n"+missing))
	}
	if n := m.count("PUT", "/acs/api/v1/ldap/config"); n != 0 {
		t.Errorf("%d configurations were sent", n)
	}
}

func TestWhatTheMastersWarnOfIsShown(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	file := p.file("ldap.yaml", "host: ldap.example\nport: 389\nuse-ldaps: false\nenforce-starttls: false\n")
	if got := p.good("ldap", "config", "set", "--file", file); strings.Contains(got.stderr, "Warning") {
		t.Errorf("warned of nothing: %s", got.stderr)
	}
	m.answer("PUT /acs/api/v1/ldap/config", func(w http.ResponseWriter) {
		w.Header().Set("X-Gatehouse-Warning", "No TLS.")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	})
	if got := p.good("ldap", "config", "set", "--file", file); !strings.Contains(got.stderr, "Warning: No TLS.\n") || !strings.Contains(got.stdout, "Configured the directory ldap.example.") {
		t.Errorf("said %s%s", got.stdout, got.stderr)
	}
}

func TestTheConfigurationOfADirectoryIsNotShownToOthers(t *testing.T) {
	p := loggedInTo(t, full(t))
	const good = "host: ldap.example\nport: 389\nuse-ldaps: false\nenforce-starttls: true\n"
	for text, want := range map[string]bool{good: false, good + "lookup-password: hunter2\n": true, good + "client-cert: hunter2\n": true} {
		file := p.file("open.yaml", text)
		for mode, open := range map[os.FileMode]bool{0o644: true, 0o600: false} {
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			got := p.good("ldap", "config", "set", "--file", file)
			if warned := strings.Contains(got.stderr, "can be read by others"); warned != (want && open) {
				t.Errorf("%q with mode %o: %q", text, mode, got.stderr)
			}
		}
	}
}

func TestSlipsInAConfigurationOfADirectoryAreNotQuoted(t *testing.T) {
	p := loggedInTo(t, full(t))
	for text, want := range map[string]string{
		"host: h\nport: hunter2\n":                             "line 2: a member is unknown, repeated, or not of its type",
		"host: h\nlookup-password hunter2: x\nport: hunter2\n": "line 2, line 3: a member",
		"host: h\nhunter2: x\n":                                "line 2: a member",
		"hunter2: x\nhunter2: y\n":                             "line 2: a member",
		"lookup-password: *hunter2\n":                          "it is no YAML",
		"lookup-password: @hunter2\n":                          "it is no YAML",
		`{"lookup-password": "hunter2" "hunter2"}`:             "it is no YAML",
		`{"port": "hunter2"}`:                                  "line 1: a member",
		"hunter2":                                              "line 1: a member",
		"":                                                     "it is empty",
	} {
		got := p.bad(StatusUsage, want, "ldap", "config", "set", "--file", p.file("ldap.yaml", text))
		if strings.Contains(got.stderr, "hunter") {
			t.Errorf("%q: %s", text, got.stderr)
		}
	}
}

// One after the other: what was done before a refusal is told.
func TestSubjectsAreForgottenUpToTheFirstRefusal(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	got := p.bad(StatusFailed, "User with uid `nobody` not known", "user", "forget-subject", "alice", "nobody", "carol@example.com")
	if !strings.Contains(got.stderr, "Done for alice; not for the others.") {
		t.Errorf("stderr %q", got.stderr)
	}
	if n := m.count("POST", "/gatehouse/v1/users/carol@example.com/forget-subject"); n != 0 {
		t.Errorf("carol was asked about %d times", n)
	}
}
