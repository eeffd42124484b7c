package saml

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMetadataThatCannotLogAnybodyInIsRefused(t *testing.T) {
	key := ec().keyDescriptor("")
	post := strings.Replace(redirectService, "HTTP-Redirect", "HTTP-POST", 1)
	for name, c := range map[string]struct{ text, why string }{
		"empty":                {"", "not SAML 2.0 metadata|no EntityDescriptor|well-formed"},
		"no XML":               {"hello", "well-formed"},
		"document type":        {`<!DOCTYPE x [<!ENTITY a "b">]>` + metadataWith(key, redirectService), "document type"},
		"two entities":         {`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"><md:EntityDescriptor entityID="a"/><md:EntitiesDescriptor><md:EntityDescriptor entityID="b"/></md:EntitiesDescriptor></md:EntitiesDescriptor>`, "more than one"},
		"no entity id":         {strings.Replace(metadataWith(key, redirectService), `entityID="https://idp.example/metadata"`, "", 1), "no entityID"},
		"a service provider":   {strings.ReplaceAll(metadataWith(key, redirectService), "IDPSSODescriptor", "SPSSODescriptor"), "no identity provider"},
		"SAML 1.1":             {strings.Replace(metadataWith(key, redirectService), "SAML:2.0:protocol", "SAML:1.1:protocol", 1), "no identity provider"},
		"no location":          {metadataWith(key), "SingleSignOnService"},
		"artifact only":        {metadataWith(key, strings.Replace(redirectService, "HTTP-Redirect", "HTTP-Artifact", 1)), "SingleSignOnService"},
		"script as location":   {metadataWith(key, strings.Replace(redirectService, "https://idp.example/sso", "javascript:alert", 1)), "SingleSignOnService"},
		"relative location":    {metadataWith(key, strings.Replace(redirectService, "https://idp.example/sso", "/sso", 1)), "SingleSignOnService"},
		"no certificate":       {metadataWith(post), "no certificate"},
		"only for encryption":  {metadataWith(ec().keyDescriptor(` use="encryption"`), post), "no certificate"},
		"no base64":            {metadataWith(strings.Replace(key, "X509Certificate>", "X509Certificate>!", 1), post), "cannot be read"},
		"no certificate in it": {metadataWith(strings.Replace(key, "X509Certificate>", "X509Certificate>AAAA", 1), post), "cannot be read"},
		"short key":            {metadataWith(rsa1024().keyDescriptor(""), post), "2,048 bits"},
	} {
		err := CheckMetadata(c.text)
		if err == nil || !containsOneOf(err.Error(), strings.Split(c.why, "|")) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
	}
	for name, good := range map[string]string{
		"redirect":             metadataWith(key, redirectService),
		"post":                 metadataWith(key, post),
		"one in a group":       `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">` + strings.TrimPrefix(metadataWith(key, post), `<?xml version="1.0"?>`) + `</EntitiesDescriptor>`,
		"comments, line ends":  strings.ReplaceAll(metadataWith("<!-- a -->", key, post), "MII", "\r\n  MII"),
		"other roles too":      strings.Replace(metadataWith(key, post), "<md:IDPSSO", `<md:SPSSODescriptor/><md:RoleDescriptor/><md:IDPSSO`, 1),
		"the contract's least": `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example"/>`,
	} {
		if err := CheckMetadata(good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func containsOneOf(s string, list []string) bool {
	for _, part := range list {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

func TestTheConfigurationTestTellsWhatIsWrong(t *testing.T) {
	summary := func(checks []Check) (out []string) {
		for _, c := range checks {
			line := c.Name + " "
			if !c.OK {
				line += "not "
			}
			out = append(out, line+"ok")
			if c.Detail == "" || !strings.HasSuffix(c.Detail, ".") {
				t.Errorf("%s: detail %q is no sentence", c.Name, c.Detail)
			}
		}
		return out
	}
	bare := `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a"/>`
	old := strings.Replace(metadataWith(ec().keyDescriptor(""), redirectService), "entityID", `validUntil="2026-11-21T00:00:00Z" entityID`, 1)
	for name, c := range map[string]struct {
		metadata string
		want     []string
	}{
		"good":    {config(ec()).Metadata, []string{"metadata ok", "role ok", "location ok", "certificate ok"}},
		"mixed":   {config(ec(), expired(), rsa1024()).Metadata, []string{"metadata ok", "role ok", "location ok", "certificate ok", "certificate not ok", "certificate not ok"}},
		"bare":    {bare, []string{"metadata ok", "role not ok", "location not ok", "certificate not ok"}},
		"no XML":  {"x", []string{"metadata not ok"}},
		"expired": {old, []string{"metadata ok", "role ok", "location ok", "certificate ok", "validity not ok"}},
	} {
		if diff := cmp.Diff(c.want, summary(Test(Config{ID: "a", BaseURL: "https://a", Metadata: c.metadata}, now))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	late := Test(config(ec()), now.AddDate(1, 0, -3))
	if last := late[len(late)-1]; !last.OK || !strings.Contains(last.Detail, "expires on") {
		t.Errorf("three days before its end: %+v", last)
	}
	accept(t, Config{ID: "adfs", BaseURL: "https://dcos.example", Metadata: old}, field(t, ec().signed(t)))
	if got := Test(config(ec()), now.Add(-2*365*24*time.Hour)); !strings.Contains(got[3].Detail, "valid from") {
		t.Errorf("before its time: %+v", got[3])
	}
}

func TestABareEntityLacksWhatLoginsNeed(t *testing.T) {
	if err := Lacks(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a"/>`); err != errNoIdP {
		t.Errorf("bare: %v, want %v", err, errNoIdP)
	}
	if err := Lacks(config(ec()).Metadata); err != nil {
		t.Errorf("whole: %v", err)
	}
}
