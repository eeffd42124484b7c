package saml

import (
	"slices"
	"strings"

	"github.com/crewjam/saml"
)

// Names under which identity providers send e-mail addresses and names of people, in the order in which they are preferred.
var (
	mailNames = []string{
		"mail", "urn:oid:0.9.2342.19200300.100.1.3", // LDAP and eduPerson
		"email", "urn:oid:1.2.840.113549.1.9.1", // PKCS #9
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", // ADFS, Entra ID
		"emailaddress", "user.email", // OneLogin
	}
	personNames = []string{
		"displayname", "urn:oid:2.16.840.1.113730.3.1.241",
		"http://schemas.microsoft.com/identity/claims/displayname",
		"cn", "urn:oid:2.5.4.3",
	}
)

var errNoIdentity = refused("Could not extract the subject identity from the SAML response.")

// identity returns the subject's NameID and uid by contract 5.6: the NameID if it looks like an e-mail address, else the first
// attribute that does, preferably that of the mail address, else the NameID.
func identity(x *assertionXML) (nameID, uid string, err error) {
	ids := x.Subjects[0].NameIDs
	if len(ids) != 1 || ids[0].Format == string(saml.TransientNameIDFormat) || !solid(ids[0].value()) {
		return "", "", errNoIdentity
	}
	nameID = ids[0].value()
	if mailLike(nameID) {
		return nameID, nameID, nil
	}
	values := named(x.Attributes, mailNames)
	if !slices.ContainsFunc(values, mailLike) {
		values = firstMail(x.Attributes)
	}
	values = distinct(values)
	switch {
	case len(values) > 1: // hostile M24
		return "", "", refused("The attribute that names the user has more than one value.")
	case len(values) == 1:
		return nameID, values[0], nil
	}
	return nameID, nameID, nil
}

// description returns the person's name, or "".
func description(x *assertionXML) string {
	for _, name := range personNames {
		if values := distinct(named(x.Attributes, []string{name})); len(values) > 0 && len(values[0]) <= maxDescription {
			return values[0]
		}
	}
	return ""
}

// maxDescription bounds a person's name in bytes.
const maxDescription = 256

// named returns all values of the attributes that have one of these names, in lower case, as name or friendly name.
func named(list []attributeXML, names []string) (values []string) {
	for _, a := range list {
		if slices.Contains(names, strings.ToLower(a.Name)) || slices.Contains(names, strings.ToLower(a.FriendlyName)) {
			values = append(values, texts(a)...)
		}
	}
	return values
}

// firstMail returns the values of the first attribute that has one that looks like an e-mail address.
func firstMail(list []attributeXML) []string {
	for _, a := range list {
		if values := texts(a); slices.ContainsFunc(values, mailLike) {
			return values
		}
	}
	return nil
}

func texts(a attributeXML) (values []string) {
	for _, v := range a.Values {
		if text := v.value(); text != "" {
			values = append(values, text)
		}
	}
	return values
}

func distinct(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// mailLike reports whether s looks like an e-mail address.
func mailLike(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	return found && local != "" && domain != "" && !strings.Contains(domain, "@") && solid(s)
}

// solid reports whether s is a name: not empty, and without white space around it, which would make two names of one.
func solid(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && !strings.ContainsAny(s, "\t\r\n")
}
