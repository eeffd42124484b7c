package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

func TestAnAdmittedUserHasNoRights(t *testing.T) {
	m, version := newCompany(t)
	m.must(CreateProvider{Provider: saml("adfs")})
	adfs := m.s.Index()
	for _, c := range []AdmitUser{
		{User: ldapUser("lena"), Version: version},
		{User: iam.User{UID: "sven", Description: "Sven", ProviderType: iam.SAML, ProviderID: "adfs", Subject: subject("sven")}, Version: adfs},
		{User: iam.User{UID: "olga@example.com", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/", Subject: subject("olga")}}, // by an ID token
	} {
		m.must(c)
		got, ok := m.s.User(c.User.UID)
		if !ok {
			t.Fatalf("%s was not created", c.User.UID)
		}
		if diff := cmp.Diff(c.User, *got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if rights := rightsOf(m.s, c.User.UID); rights != "" {
			t.Errorf("%s has %s", c.User.UID, rights)
		}
	}
}

// rightsOf lists the groups and resources of the user.
func rightsOf(s *state.State, uid string) string {
	var rights []string
	for gid := range s.GroupsOf(uid) {
		rights = append(rights, gid)
	}
	for g := range s.GrantsOf(uid, false) {
		rights = append(rights, g.RID)
	}
	return strings.Join(rights, " ")
}

// A login of a known user changes neither the description that somebody has given nor what the user may do.
func TestAdmittingAKnownUserChangesNothing(t *testing.T) {
	m, version := newCompany(t)
	admit := AdmitUser{User: ldapUser("lena"), Version: version}
	m.must(admit)
	m.must(UpdateUser{UID: "lena", Description: ptr("Lena of accounting")})
	m.must(AddMember{GID: "devs", UID: "lena"})
	m.must(admit)
	if u, _ := m.s.User("lena"); u.Description != "Lena of accounting" || rightsOf(m.s, "lena") != "devs" {
		t.Errorf("description %q, rights %q", u.Description, rightsOf(m.s, "lena"))
	}
}

// Whoever vouches for a uid gets no user of somebody else by it (hostile D9, O7).
func TestAdmitUserTakesOverNobody(t *testing.T) {
	m, version := newCompany(t)
	m.must(CreateProvider{Provider: saml("adfs")})
	adfs := m.s.Index()
	m.must(CreateProvider{Provider: dex()})
	oidc := m.s.Index()
	m.must(AdmitUser{User: ldapUser("lena"), Version: version})
	m.must(AdmitUser{User: iam.User{UID: "sven", ProviderType: iam.SAML, ProviderID: "adfs", Subject: subject("sven")}, Version: adfs})
	m.must(AdmitUser{User: iam.User{UID: "olga", ProviderType: iam.OIDC, ProviderID: "https://idp", Subject: subject("olga")}})

	ofDex := func(uid string) iam.User {
		return iam.User{UID: uid, ProviderType: iam.OIDC, ProviderID: "dex", Subject: subject(uid)}
	}
	for name, c := range map[string]AdmitUser{
		"a local user":        {User: ldapUser("alice"), Version: version},
		"a service account":   {User: ldapUser("robot"), Version: version},
		"a user of SAML":      {User: ldapUser("sven"), Version: version},
		"a user of LDAP":      {User: ofDex("lena"), Version: oidc},
		"of another provider": {User: ofDex("olga"), Version: oidc},
		"an invalid uid":      {User: ldapUser("a b"), Version: version},
		"no uid":              {User: ldapUser(""), Version: version},
		"a reserved uid":      {User: ldapUser("anonymous"), Version: version},
		"a long uid":          {User: ldapUser(strings.Repeat("a", iam.MaxUID+1)), Version: version},
		"an internal user":    {User: *regular("new")},
		"with a password":     {User: iam.User{UID: "new", PasswordHash: "$6$x", ProviderType: iam.LDAP}, Version: version},
		"with a key":          {User: iam.User{UID: "new", PublicKey: "pem", ProviderType: iam.LDAP}, Version: version},
		"no provider id":      {User: iam.User{UID: "new", ProviderType: iam.OIDC, Subject: subject("new")}},
		"no subject":          {User: iam.User{UID: "new", ProviderType: iam.OIDC, ProviderID: "dex"}, Version: oidc},
		"another subject":     {User: iam.User{UID: "sven", ProviderType: iam.SAML, ProviderID: "adfs", Subject: subject("sven+")}, Version: adfs},
		"of the directory":    {User: iam.User{UID: "lena", ProviderType: iam.LDAP, Subject: subject("lena")}, Version: version},
	} {
		if _, err := m.apply(m.header(), c); !fault.Is(err, fault.CannotImportUser) {
			t.Errorf("%s: %v, want %s", name, err, fault.CannotImportUser)
		}
	}
}

// Between the answer of whoever vouches and the entry the configuration may have gone.
func TestAdmitUserNeedsTheConfigurationByWhichWasVouched(t *testing.T) {
	m, version := newCompany(t)
	m.must(CreateProvider{Provider: saml("adfs")})
	adfs := m.s.Index()
	ofADFS := iam.User{UID: "sven", ProviderType: iam.SAML, ProviderID: "adfs", Subject: subject("sven")}

	m.refuse(AdmitUser{User: ldapUser("lena"), Version: version + 1}, fault.Conflict)
	m.refuse(AdmitUser{User: ldapUser("lena")}, fault.Conflict)
	m.refuse(AdmitUser{User: ofADFS, Version: adfs + 1}, fault.Conflict)
	m.refuse(AdmitUser{User: ofADFS}, fault.Conflict)
	m.refuse(AdmitUser{User: iam.User{UID: "sven", ProviderType: iam.OIDC, ProviderID: "adfs", Subject: subject("sven")}, Version: adfs}, fault.Conflict)
	m.refuse(AdmitUser{User: iam.User{UID: "sven", ProviderType: iam.SAML, ProviderID: "none", Subject: subject("sven")}, Version: adfs}, fault.Conflict)

	m.must(PutDirectory{Directory: fullDirectory()})
	m.refuse(AdmitUser{User: ldapUser("lena"), Version: version}, fault.Conflict)
	replaced := m.s.Index()
	m.must(DeleteDirectory{})
	m.refuse(AdmitUser{User: ldapUser("lena"), Version: replaced}, fault.Conflict)
	m.must(DeleteProvider{Type: iam.SAML, ID: "adfs"})
	m.refuse(AdmitUser{User: ofADFS, Version: adfs}, fault.Conflict)
	m.must(CreateProvider{Provider: saml("adfs")}) // again, and not the same one
	m.refuse(AdmitUser{User: ofADFS, Version: adfs}, fault.Conflict)
}

// A known user whose provider has gone does not log in either.
func TestAKnownUserIsNotAdmittedByAnOldConfiguration(t *testing.T) {
	m, version := newCompany(t)
	m.must(AdmitUser{User: ldapUser("lena"), Version: version})
	m.must(DeleteDirectory{})
	m.refuse(AdmitUser{User: ldapUser("lena"), Version: version}, fault.Conflict)
}

// Whoever comes after somebody who was removed starts with nothing (hostile A4).
func TestAnAdmittedUserInheritsNothingFromWhoWasRemoved(t *testing.T) {
	m, version := newCompany(t)
	admit := AdmitUser{User: ldapUser("lena"), Version: version}
	m.must(admit)
	m.must(AddMember{GID: "devs", UID: "lena"})
	m.must(GrantAction{RID: "dcos:x", Principal: "lena", Action: iam.Full})
	m.must(SyncDirectory{Version: version, RemoveUsers: []string{"lena"}, TokenLife: life})
	m.must(admit)
	if rights := rightsOf(m.s, "lena"); rights != "" {
		t.Errorf("lena has %s", rights)
	}
	if got, want := m.s.TokenCutoff("lena"), NextSecond(epoch); !got.Equal(want) {
		t.Errorf("cut-off %v, want %v", got, want)
	}
}

// What a provider calls somebody is forgotten when a superuser says so, and the next one who comes is the user.
func TestASubjectThatWasForgottenIsThatOfTheNextLogin(t *testing.T) {
	m, _ := newCompany(t)
	m.must(CreateProvider{Provider: dex()})
	version := m.s.Index()
	olga := iam.User{UID: "olga", ProviderType: iam.OIDC, ProviderID: "dex", Subject: subject("1")}
	m.must(AdmitUser{User: olga, Version: version})
	m.must(UpdateUser{UID: "olga", Description: ptr("Olga")})
	declared := olga
	declared.Subject = ""
	m.must(changes(Change{User: &declared}))
	subjectOf := func() string {
		u, _ := m.s.User("olga")
		return u.Subject
	}
	if got := subjectOf(); got != subject("1") {
		t.Errorf("after updates the subject is %q", got)
	}
	anew := olga
	anew.Subject = subject("2")
	m.refuse(AdmitUser{User: anew, Version: version}, fault.CannotImportUser)
	m.must(ForgetSubject{UID: "olga"})
	m.must(ForgetSubject{UID: "olga"})
	if got := subjectOf(); got != iam.NextSubject {
		t.Errorf("the subject is %q, want that of who comes next", got)
	}
	nobody := olga
	nobody.Subject = iam.NextSubject
	m.refuse(AdmitUser{User: nobody, Version: version}, fault.CannotImportUser)
	m.must(AdmitUser{User: anew, Version: version})
	if u, _ := m.s.User("olga"); u.Subject != subject("2") {
		t.Errorf("bound to %q", u.Subject)
	}
	m.refuse(AdmitUser{User: olga, Version: version}, fault.CannotImportUser)
	m.must(CreateUser{User: iam.User{UID: "petra", ProviderType: iam.OIDC, ProviderID: "dex"}}) // beforehand
	m.must(ForgetSubject{UID: "petra"})
	if u, _ := m.s.User("petra"); u.Subject != iam.NextSubject {
		t.Errorf("the subject of a user made beforehand is %q", u.Subject)
	}
	m.must(ForgetSubject{UID: "alice"})
	if u, _ := m.s.User("alice"); u.Subject != "" {
		t.Errorf("a local user has the subject %q", u.Subject)
	}
	m.refuse(ForgetSubject{UID: "nobody"}, fault.UnknownUser)
}
