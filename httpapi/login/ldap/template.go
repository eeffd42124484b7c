package ldap

import (
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/fsm/iam"
)

// What templates have in the place of a name (contract 4.1). Every other % stands for itself.
const (
	usernamePlace  = "%(username)s"
	groupnamePlace = "%(groupname)s"
)

// fillFilter puts a name into a filter, escaped as RFC 4515 wants it.
func fillFilter(template, place, name string) string {
	return strings.ReplaceAll(template, place, ldap.EscapeFilter(name))
}

// fillDN puts a name into a DN, escaped as RFC 4514 wants it.
func fillDN(template, name string) string {
	return strings.ReplaceAll(template, usernamePlace, ldap.EscapeDN(name))
}

// anyName makes a filter of the template that every name satisfies.
func anyName(template, place string) string { return strings.ReplaceAll(template, place, "*") }

// comparison is a place of a template where an attribute is compared with a name, which may stand between two texts.
type comparison struct {
	attribute, before, after string
}

// comparesUser and comparesGroup find "(attribute=before%(name)safter)" in a filter. What has a * or an escape around the name
// says nothing about the name itself.
var (
	comparesUser  = comparing(usernamePlace)
	comparesGroup = comparing(groupnamePlace)
)

func comparing(place string) *regexp.Regexp {
	return regexp.MustCompile(`\(\s*([A-Za-z0-9][A-Za-z0-9.-]*)(?:;[A-Za-z0-9;-]+)?(?::[^=()]*:)?=([^()*\\%]*)` + regexp.QuoteMeta(place) + `([^()*\\%]*)\)`)
}

// comparisons lists them in the order of the filter.
func comparisons(filter string, expression *regexp.Regexp) []comparison {
	var found []comparison
	for _, m := range expression.FindAllStringSubmatch(filter, -1) {
		found = append(found, comparison{m[1], m[2], m[3]})
	}
	return found
}

// marker is a name that occurs in no template.
const marker = "gatehouse-0-marker"

// dnComparison is the attribute of the first RDN of a template that holds the name. It fails when the template is no DN, and when
// the name stands anywhere but in values.
func dnComparison(template string) (comparison, bool) {
	dn, err := ldap.ParseDN(fillDN(template, marker))
	if err != nil || len(dn.RDNs) == 0 {
		return comparison{}, false
	}
	var found []comparison
	for _, rdn := range dn.RDNs {
		for _, a := range rdn.Attributes {
			if strings.Contains(a.Type, marker) {
				return comparison{}, false
			}
			if before, after, ok := strings.Cut(a.Value, marker); ok {
				found = append(found, comparison{a.Type, before, after})
			}
		}
	}
	if len(found) == 0 {
		return comparison{}, false
	}
	return found[0], true
}

// userComparisons are those by which a user is found.
func (c *Config) userComparisons() []comparison {
	if c.UserSearch != nil {
		return comparisons(c.UserSearch.Filter, comparesUser)
	}
	if found, ok := dnComparison(c.DNTemplate); ok {
		return []comparison{found}
	}
	return nil
}

// name takes the name out of a value of the attribute; false when the value has none.
func (c comparison) name(value string) (string, bool) {
	n := len(value) - len(c.before) - len(c.after)
	if n <= 0 || !strings.EqualFold(value[:len(c.before)], c.before) || !strings.EqualFold(value[len(value)-len(c.after):], c.after) {
		return "", false
	}
	return value[len(c.before) : len(c.before)+n], true
}

// canonical is the name as the directory has it: the value, of one of the compared attributes, that is the typed name, or is it but for
// case. A directory may compare more generously than that, and would let one person have many names.
func canonical(e *ldap.Entry, by []comparison, typed string) (found string, ok bool) {
	for name := range names(e, by) {
		if name == typed {
			return name, true
		}
		if !ok && strings.EqualFold(name, typed) {
			found, ok = name, true
		}
	}
	return found, ok
}

// validNames are the names of the entry that are valid as uids: the one in its DN first if there is one, the others as they come.
func validNames(e *ldap.Entry, by []comparison) []string {
	var found []string
	for name := range names(e, by) {
		if iam.ValidateUID(name) == nil && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	if dn, err := ldap.ParseDN(e.DN); err == nil && len(dn.RDNs) > 0 {
		for _, a := range dn.RDNs[0].Attributes {
			if i := slices.Index(found, a.Value); i > 0 {
				return slices.Insert(slices.Delete(found, i, i+1), 0, a.Value)
			}
		}
	}
	return found
}

// names yields the names that the entry has in the compared attributes.
func names(e *ldap.Entry, by []comparison) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, c := range by {
			for _, value := range e.GetEqualFoldAttributeValues(c.attribute) {
				if name, ok := c.name(value); ok && !yield(name) {
					return
				}
			}
		}
	}
}

// within reports whether a DN is that of the base or of something below it.
func within(base, dn string) bool {
	b, err := ldap.ParseDN(base)
	if err != nil {
		return false
	}
	d, err := ldap.ParseDN(dn)
	return err == nil && (b.EqualFold(d) || b.AncestorOfFold(d))
}

// parent is what of a DN template follows the last RDN that holds the name: the entry under which all users are.
func parent(template string) string {
	dn, err := ldap.ParseDN(fillDN(template, marker))
	if err != nil {
		return ""
	}
	last := -1
	for i, rdn := range dn.RDNs {
		for _, a := range rdn.Attributes {
			if strings.Contains(a.Value, marker) {
				last = i
			}
		}
	}
	return (&ldap.DN{RDNs: dn.RDNs[last+1:]}).String()
}
