//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// identities are the examples of identity providers and of the directory, in the order in which they come about.
func (p *play) identities() []scene { return append(p.providers(), p.directories()...) }

func (p *play) providers() []scene {
	return []scene{
		{line: "gatehouse provider add company --type oidc --description 'Company login' --issuer https://idp.example --base-url https://cluster.example " +
			"--client-id gatehouse --client-secret-file secret.txt", before: func() []string {
			p.file(p.t, "secret.txt", "a client secret\n")
			p.file(p.t, "adfs.xml", p.metadata())
			return nil
		}},
		{line: "gatehouse provider add adfs --type saml --description ADFS --base-url https://cluster.example --metadata-file adfs.xml"},
		{line: "gatehouse provider list"},
		{line: "gatehouse provider list --output json"},
		{line: "gatehouse provider show company"},
		{line: "gatehouse provider test adfs"},
		{line: "gatehouse provider set company --description 'Company login'"},
		{line: "gatehouse provider set company --client-secret-file secret.txt"},
		{line: "gatehouse provider set adfs --metadata-file adfs.xml"},
		{line: "gatehouse provider remove --yes old", before: func() []string {
			p.good(p.t, "gatehouse provider add old --type saml --base-url https://cluster.example --metadata-file adfs.xml")
			return nil
		}},
	}
}

// company is an OpenID provider whose page, once the command line opens it, somebody goes through as alice.
func (p *play) company() []string {
	m := p.cluster.Masters[0]
	o := rig.OIDCOptions{Accounts: accounts, RedirectURIs: []string{m.API + "/acs/api/v1/auth/oidc/callback"}}
	company := &openIDCompany{must[*rig.OIDCProvider](p.t)(rig.StartOIDCProvider(p.t.Context(), p.t.TempDir(), o)), p.cluster, m, "company"}
	p.t.Cleanup(company.Close)
	ask(p.t, p.cluster, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: m.API + "/acs/api/v1/auth/oidc/providers/company",
		Token: superuser(p.t, p.cluster), Body: company.Configuration(m.API)})
	opened := p.path("opened")
	p.desk.script(p.t, "xdg-open", `printf %s "$1" >'`+opened+`.new' && mv '`+opened+`.new' '`+opened+`'`)
	v, done := company.visitor(p.t), make(chan struct{})
	p.t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		var start []byte
		err := rig.Await(p.t.Context(), 60*time.Second, "the command line opens a page", func(context.Context) (err error) {
			start, err = os.ReadFile(opened)
			return err
		})
		end := ""
		if err == nil {
			end, err = company.agree(p.t.Context(), v, string(start))
		}
		if err == nil {
			_, err = v.Get(p.t.Context(), end)
		}
		if err != nil {
			p.t.Errorf("log in through the provider: %v", err)
		}
	}()
	return nil
}

// metadata are those of a SAML provider that nobody will ask.
func (p *play) metadata() string {
	block, _ := pem.Decode([]byte(someCertificate(p.t)))
	return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://adfs.example"><IDPSSODescriptor `+
		`protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>`+
		`<X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" `+
		`Location="https://adfs.example/sso"/></IDPSSODescriptor></EntityDescriptor>`, base64.StdEncoding.EncodeToString(block.Bytes))
}

// directories are about a directory in which alice has the password that she has here, and erika is not known here.
func (p *play) directories() []scene {
	var s *rig.Slapd
	document := func(change func(map[string]any)) {
		config := s.SearchConfig()
		change(config)
		p.file(p.t, "ldap.yaml", string(must[[]byte](p.t)(json.Marshal(config)))) // YAML, too
	}
	return []scene{
		{line: "gatehouse ldap config set --file ldap.yaml --lookup-password-file password.txt --directory-ca-cert directory-ca.pem", before: func() []string {
			s = slapd(p.t, rig.SlapdOptions{Users: []rig.LDAPUser{{UID: "alice", Password: alicesPassword}, {UID: "erika", Password: "mustermann"}},
				Groups: []rig.LDAPGroup{{Name: "engineers", Members: []string{"alice", "erika"}}}})
			document(func(config map[string]any) { config["lookup-dn"] = rig.LookupDN })
			p.file(p.t, "directory-ca.pem", string(s.Authority.PEM))
			return nil
		}},
		{line: "gatehouse ldap config set --file ldap.yaml", before: func() []string {
			document(func(map[string]any) {})
			return nil
		}},
		{line: "gatehouse ldap config show"},
		{line: "gatehouse ldap test alice", typed: []string{"Password of alice in the directory: ", alicesPassword}},
		{line: "gatehouse ldap test alice --password-file password.txt"},
		{line: "gatehouse ldap import-user erika"},
		{line: "gatehouse ldap import-group engineers"},
		{line: "gatehouse ldap sync"},
		{line: "gatehouse ldap sync --status"},
		{line: "gatehouse ldap config show --secrets --output yaml >ldap.yaml"},
		{line: "gatehouse ldap config remove --yes"},
	}
}
