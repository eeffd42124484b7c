package provider

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/keyring"
)

// metadata is the least that the contract (5.6) asks for.
const metadata = `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/metadata"></md:EntityDescriptor>`

// certificate is a self-signed certificate made for this test.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIUJ1z1GpyAPV0cTqjW1pk8C3hRi9gwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGdGVzdENBMB4XDTI2MTEyMjAwMDAwMFoXDTM2MTExOTAwMDAw
MFowETEPMA0GA1UEAwwGdGVzdENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
-----END CERTIFICATE-----
`

func oidc() OIDC {
	return OIDC{Description: "Dex", Issuer: "https://dex.example/dex/", BaseURL: "http://127.0.0.1:8101/", ClientID: "gatehouse", ClientSecret: "s3cret"}
}

func ring(t *testing.T) *keyring.Ring {
	t.Helper()
	r, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOIDCConfigurationSurvivesTheRecord(t *testing.T) {
	keys, in := ring(t), oidc()
	p := in.Record("dex", nil, keys)
	if err := Check(p); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprintf("%q", p.OIDC.SealedSecret), in.ClientSecret) {
		t.Error("the record holds the client secret in clear")
	}
	out, verify := OIDCConfig(p), true
	var err error
	if out.ClientSecret, err = Secret(p, keys); err != nil {
		t.Fatal(err)
	}
	in.VerifyServerCertificate = &verify
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	moved := *p
	moved.ID = "other"
	if _, err := Secret(&moved, keys); err == nil {
		t.Error("a client secret was opened under another provider's id")
	}
}

func TestAnUpdateKeepsWhatIsEmpty(t *testing.T) {
	keys, in := ring(t), oidc()
	in.CACerts = "kept"
	old := in.Record("dex", nil, keys)
	old.Version = 7
	off := false
	change := OIDC{Issuer: "https://new.example", VerifyServerCertificate: &off}
	p := change.Record("dex", old, keys)
	want := *old.OIDC
	want.Issuer, want.Insecure = "https://new.example", true
	if diff := cmp.Diff(&iam.Provider{ID: "dex", Description: "Dex", OIDC: &want, Version: 7}, p); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	again := (&OIDC{ClientSecret: "other"}).Record("dex", p, keys)
	if secret, err := Secret(again, keys); err != nil || secret != "other" || !again.OIDC.Insecure {
		t.Errorf("secret %q, %v, insecure %v; want the new secret and the rest kept", secret, err, again.OIDC.Insecure)
	}
	saml := (&SAML{Description: "a", Metadata: metadata, BaseURL: "https://a"}).Record("adfs", nil)
	if got := (&SAML{Description: "b"}).Record("adfs", saml); got.Description != "b" || got.SAML.Metadata != metadata {
		t.Errorf("SAML record %+v, want only the description changed", got)
	}
}

func TestBadOIDCConfigurationIsRefused(t *testing.T) {
	keys := ring(t)
	for name, spoil := range map[string]func(*OIDC){
		"no issuer":               func(c *OIDC) { c.Issuer = "" },
		"relative issuer":         func(c *OIDC) { c.Issuer = "dex.example" },
		"issuer of another world": func(c *OIDC) { c.Issuer = "file:///etc/passwd" },
		"issuer with a password":  func(c *OIDC) { c.Issuer = "https://a:b@dex.example" },
		"issuer with a query":     func(c *OIDC) { c.Issuer = "https://dex.example/?x=1" },
		"issuer with a fragment":  func(c *OIDC) { c.Issuer = "https://dex.example/#x" },
		"unreadable base URL":     func(c *OIDC) { c.BaseURL = "http://[::1" },
		"no client id":            func(c *OIDC) { c.ClientID = "" },
		"no client secret":        func(c *OIDC) { c.ClientSecret = "" },
		"text as certificates":    func(c *OIDC) { c.CACerts = "none" },
		"broken certificate":      func(c *OIDC) { c.CACerts = certificate },
		"a key as certificate":    func(c *OIDC) { c.CACerts = strings.ReplaceAll(certificate, "CERTIFICATE", "PRIVATE KEY") },
		"endless client id":       func(c *OIDC) { c.ClientID = strings.Repeat("x", iam.MaxProviderID+1) },
	} {
		in := oidc()
		spoil(&in)
		if err := Check(in.Record("dex", nil, keys)); !fault.Is(err, fault.OIDCConfigInvalid) {
			t.Errorf("%s: %v, want %s", name, err, fault.OIDCConfigInvalid)
		}
	}
}

func TestBadSAMLConfigurationIsRefused(t *testing.T) {
	for name, bad := range map[string]string{
		"empty":             "",
		"no XML":            "hello",
		"cut off":           metadata[:len(metadata)-10],
		"another document":  `<html/>`,
		"no entity":         `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"/>`,
		"no entity id":      `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"/>`,
		"two entities":      `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"><md:EntityDescriptor entityID="a"/><md:EntityDescriptor entityID="b"/></md:EntitiesDescriptor>`,
		"entity expansion":  `<!DOCTYPE x [<!ENTITY a "b">]>` + metadata,
		"bytes, not UTF-8":  "<a>\xff</a>",
		"without namespace": `<EntityDescriptor entityID="a"/>`,
		"nobody to ask":     strings.Replace(metadata, "></md", `><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></md`, 1),
		"no provider":       strings.Replace(metadata, "></md", `><md:SPSSODescriptor/></md`, 1),
	} {
		in := SAML{Metadata: bad, BaseURL: "https://dcos.example"}
		if err := Check(in.Record("adfs", nil)); !fault.Is(err, fault.InvalidData) {
			t.Errorf("%s: %v, want %s", name, err, fault.InvalidData)
		}
	}
	good := SAML{Metadata: metadata, BaseURL: "https://dcos.example"}
	if err := Check(good.Record("adfs", nil)); err != nil {
		t.Error(err)
	}
}

func TestProviderIDsAreNarrow(t *testing.T) {
	in := SAML{Metadata: metadata, BaseURL: "https://dcos.example"}
	for _, id := range []string{"", "a/b", "a.b", "a b", "dcos-users", "DCOS-Users", "dcos-oidc-auth0", strings.Repeat("x", 65)} {
		if err := Check(in.Record(id, nil)); !fault.Is(err, fault.InvalidData) {
			t.Errorf("id %.70q: %v, want %s", id, err, fault.InvalidData)
		}
	}
}

func TestClientSecretsAreNotPrinted(t *testing.T) {
	in := oidc()
	in.ClientSecret = "planted-client-secret"
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("provider", "config", in)
	for _, text := range []string{fmt.Sprint(in), fmt.Sprintf("%+v", in), fmt.Sprintf("%#v", in), log.String()} {
		if strings.Contains(text, in.ClientSecret) {
			t.Errorf("%s shows the client secret", text)
		}
	}
}
