package declare

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const providers = `version: 1
providers:
  - {id: dex, type: oidc, description: Dex, issuer: "https://dex.example", base_url: "https://dcos.example", client_id: gatehouse, client_secret: planted-secret}
  - id: adfs
    type: saml
    sp_base_url: https://dcos.example
    idp_metadata: <EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a"/>
`

func TestAPlanConfiguresProviders(t *testing.T) {
	have, none := parse(t, providers), &Document{Version: 1}
	for name, c := range map[string]struct {
		have, want string
		options    Options
		plan       []string
	}{
		"new ones":         {"version: 1", providers, Options{}, []string{"create provider dex", "create provider adfs"}},
		"the same":         {providers, providers, Options{Prune: true}, nil},
		"without secret":   {providers, strings.Replace(providers, ", client_secret: planted-secret", "", 1), Options{}, nil},
		"another issuer":   {providers, strings.Replace(providers, "https://dex", "https://new", 1), Options{}, []string{`update provider dex issuer: "https://dex.example" → "https://new.example"`}},
		"less careful":     {providers, strings.Replace(providers, "client_id", "verify_server_certificate: false, client_id", 1), Options{}, []string{"update provider dex verify_server_certificate: true → false"}},
		"other metadata":   {providers, strings.Replace(providers, `"a"/>`, `"b"/>`, 1), Options{}, []string{"update provider adfs idp_metadata: another text"}},
		"not declared":     {providers, "version: 1", Options{Prune: true}, nil},
		"declared as none": {providers, "version: 1\nproviders: []", Options{Prune: true}, []string{"delete provider adfs", "delete provider dex"}},
	} {
		plan := Difference(parse(t, c.have), parse(t, c.want), c.options)
		if diff := cmp.Diff(c.plan, steps(plan)); diff != "" || len(plan.Wrong) > 0 {
			t.Errorf("%s: %v (-want +got):\n%s", name, plan.Wrong.Lines(), diff)
		}
		for _, s := range plan.Steps {
			if text := fmt.Sprintf("%v %+v %#v %v", s, s.Change.Provider, s.Change.Provider, s.Change.Shown().Provider.ClientSecret); strings.Contains(text, "planted-secret") {
				t.Errorf("%s: %s shows the client secret", name, text)
			}
		}
	}
	if plan := Difference(none, have, Options{}); plan.Steps[0].Change.Provider.ClientSecret != "planted-secret" {
		t.Error("the change lacks the client secret")
	}
}

func TestProvidersThatCannotBeAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ have, want, wrong string }{
		"no secret":    {"version: 1", strings.Replace(providers, ", client_secret: planted-secret", "", 1), "client_secret is needed"},
		"another type": {providers, "version: 1\nproviders:\n  - {id: adfs, type: oidc, issuer: https://a, base_url: https://a, client_id: c}", "cannot change"},
	} {
		plan := Difference(parse(t, c.have), parse(t, c.want), Options{})
		if lines := strings.Join(plan.Wrong.Lines(), "\n"); !strings.Contains(lines, c.wrong) {
			t.Errorf("%s: %q, want %q", name, lines, c.wrong)
		}
	}
	for text, want := range map[string]string{
		"{id: x, type: ldap}": "want oidc or saml",
		"{id: x, type: oidc, issuer: here, base_url: https://a, client_id: c}":                                        "`issuer` must be an absolute",
		"{id: x, type: oidc, issuer: https://a, base_url: https://a, client_id: c, sp_base_url: https://a}":           "has no sp_base_url",
		"{id: x, type: oidc, issuer: https://a, base_url: https://a, client_id: c, verify_server_certificate: maybe}": "want true or false",
		"{id: x, type: saml, sp_base_url: https://a, idp_metadata: <a/>}":                                             "`idp_metadata`",
		"{id: x, type: saml, sp_base_url: https://a, idp_metadata: <a/>, client_secret: planted-secret}":              "has no client_secret",
		"{id: dcos-users, type: oidc, issuer: https://a, base_url: https://a, client_id: c}":                          "reserved",
	} {
		var d Document
		lines := strings.Join(d.Parse("f.yaml", []byte("version: 1\nproviders:\n  - "+text+"\n")).Lines(), "\n")
		if !strings.Contains(lines, want) || strings.Contains(lines, "planted-secret") {
			t.Errorf("%s: %q, want %q", text, lines, want)
		}
	}
}
