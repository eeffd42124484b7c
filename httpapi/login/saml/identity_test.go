package saml

import "testing"

// TestTheUIDFollowsTheContract is contract 5.6: NameID if it looks like an e-mail address, the mail attribute, any attribute that
// looks like one, the NameID.
func TestTheUIDFollowsTheContract(t *testing.T) {
	const mail, address = `Name="mail"`, ">alice@example.org<"
	for name, c := range map[string]struct {
		want    string
		changes []string
	}{
		"NameID that is an address":         {"a@b.example", []string{">alice<", ">a@b.example<"}},
		"NameID before an ambiguous mail":   {"a@b.example", []string{">alice<", ">a@b.example<", "</saml:Attribute><saml:Attribute Name=\"disp", "<saml:AttributeValue>x@y</saml:AttributeValue></saml:Attribute><saml:Attribute Name=\"disp"}},
		"mail":                              {"alice@example.org", nil},
		"mail by another case":              {"alice@example.org", []string{mail, `Name="Mail"`}},
		"mail by its number":                {"alice@example.org", []string{mail, `Name="urn:oid:0.9.2342.19200300.100.1.3"`}},
		"mail by its friendly name":         {"alice@example.org", []string{mail, `Name="urn:a" FriendlyName="mail"`}},
		"mail as ADFS has it":               {"alice@example.org", []string{mail, `Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"`}},
		"mail behind another address":       {"alice@example.org", []string{"<saml:AttributeStatement>", `<saml:AttributeStatement><saml:Attribute Name="upn"><saml:AttributeValue>a@corp.example</saml:AttributeValue></saml:Attribute>`}},
		"another attribute with an address": {"alice@example.org", []string{mail, `Name="upn"`}},
		"mail that is none":                 {"alice", []string{address, ">alice at example<"}},
		"mail that is none, and another":    {"b@c.example", []string{address, ">none<", "Alice &amp; Söhne", "b@c.example"}},
		"no attributes":                     {"alice", []string{"saml:AttributeStatement", "saml:Statement"}},
		"empty values":                      {"alice", []string{address, "><"}},
		"mail that is two":                  {"alice", []string{address, ">a@b@c<"}},
		"mail with space":                   {"alice", []string{address, "> a@b <"}},
		"value with elements":               {"alice", []string{address, "><saml:NameID>a@b</saml:NameID><"}},
		"name kept as it is":                {"alice smith+x@example.org", []string{">alice<", ">alice smith+x@example.org<"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := ec()
			if a := accept(t, config(p), field(t, p.signed(t, c.changes...))); a.UID != c.want {
				t.Errorf("uid %q, want %q", a.UID, c.want)
			}
		})
	}
}

func TestSubjectsWithoutAUsableNameAreRefused(t *testing.T) {
	const nameID = `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice</saml:NameID>`
	for name, change := range map[string][2]string{
		"transient":       {"nameid-format:persistent", "nameid-format:transient"},
		"no NameID":       {nameID, ""},
		"two of them":     {nameID, nameID + nameID},
		"empty":           {">alice<", "><"},
		"space around it": {">alice<", "> alice<"},
		"a line break":    {">alice<", ">ali\nce<"},
	} {
		t.Run(name, func(t *testing.T) {
			p := ec()
			refuse(t, config(p), field(t, p.signed(t, change[0], change[1])), "Could not extract the subject identity from the SAML response.")
		})
	}
}

func TestTheDescriptionIsThePersonsName(t *testing.T) {
	p := ec()
	for name, c := range map[string]struct{ want, old, new string }{
		"display name": {"Alice & Söhne", "displayName", "displayName"},
		"cn":           {"Alice & Söhne", "displayName", "cn"},
		"none":         {"", "displayName", "title"},
	} {
		if a := accept(t, config(p), field(t, p.signed(t, c.old, c.new))); a.Description != c.want {
			t.Errorf("%s: description %q, want %q", name, a.Description, c.want)
		}
	}
}
