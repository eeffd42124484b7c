package saml

import (
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/crewjam/saml"
	"github.com/google/go-cmp/cmp"
)

const relayState = "0123456789abcdefghijkl"

func TestTheRequestIsSentWithARedirect(t *testing.T) {
	request, err := Start(config(ec()), requestID, relayState, now)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(request.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := to.Query()
	if to.Host != "idp.example" || to.Path != "/sso" || query.Get("tenant") != "1" || query.Get("RelayState") != relayState || request.Fields != nil {
		t.Errorf("redirect to %s, fields %v", request.URL, request.Fields)
	}
	deflated, err := base64.StdEncoding.DecodeString(query.Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(strings.NewReader(string(deflated))))
	if err != nil {
		t.Fatal(err)
	}
	checkRequest(t, text)
}

func TestTheRequestIsPostedWhereTheProviderTakesNoRedirect(t *testing.T) {
	c := config(ec())
	c.Metadata = strings.Replace(c.Metadata, "HTTP-Redirect", "HTTP-POST", 1)
	request, err := Start(c, requestID, relayState, now)
	if err != nil {
		t.Fatal(err)
	}
	if request.URL != "https://idp.example/sso?tenant=1" || request.Fields["RelayState"] != relayState || len(request.Fields) != 2 {
		t.Errorf("post to %s, fields %v", request.URL, request.Fields)
	}
	text, err := base64.StdEncoding.DecodeString(request.Fields["SAMLRequest"])
	if err != nil {
		t.Fatal(err)
	}
	checkRequest(t, text)
	both := config(ec())
	both.Metadata = strings.Replace(both.Metadata, redirectService, strings.Replace(redirectService, "HTTP-Redirect", "HTTP-POST", 1)+redirectService, 1)
	if request, err := Start(both, requestID, relayState, now); err != nil || request.Fields != nil {
		t.Errorf("where both are offered: %+v, %v; want a redirect", request, err)
	}
}

func checkRequest(t *testing.T, text []byte) {
	t.Helper()
	var r saml.AuthnRequest
	if err := xml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	got := []string{r.ID, r.Version, r.IssueInstant.String(), r.Destination, r.AssertionConsumerServiceURL, r.ProtocolBinding, r.Issuer.Value, *r.NameIDPolicy.Format}
	want := []string{requestID, "2.0", now.String(), "https://idp.example/sso?tenant=1", "https://dcos.example/acs/api/v1/auth/saml/providers/adfs/acs-callback",
		saml.HTTPPostBinding, "https://dcos.example/acs/api/v1/auth/saml/providers/adfs/sp-metadata", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if !*r.NameIDPolicy.AllowCreate {
		t.Error("new names are not allowed")
	}
}

func TestAProviderThatLacksSomethingStartsNoLogin(t *testing.T) {
	c := config(ec())
	c.Metadata = `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a"/>`
	_, err := Start(c, requestID, relayState, now)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "no IDPSSODescriptor") {
		t.Errorf("%v, want a refusal that says what is missing", err)
	}
}

func TestTheMetadataSaysWhatTheIdentityProviderNeeds(t *testing.T) {
	text, err := Metadata(config(ec()))
	if err != nil {
		t.Fatal(err)
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://dcos.example/acs/api/v1/auth/saml/providers/adfs/sp-metadata">
  <SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="false" WantAssertionsSigned="true">
    <NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</NameIDFormat>
    <NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>
    <NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified</NameIDFormat>
    <AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://dcos.example/acs/api/v1/auth/saml/providers/adfs/acs-callback" index="1" isDefault="true"></AssertionConsumerService>
  </SPSSODescriptor>
</EntityDescriptor>
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestURLsOfAProviderAreJoinedOnce(t *testing.T) {
	for _, base := range []string{"https://dcos.example", "https://dcos.example/", "https://dcos.example//"} {
		c := Config{ID: "a-1", BaseURL: base}
		if got := ACSURL(c); got != "https://dcos.example/acs/api/v1/auth/saml/providers/a-1/acs-callback" {
			t.Errorf("%s gives %s", base, got)
		}
	}
}
