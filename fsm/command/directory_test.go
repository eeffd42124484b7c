package command

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
)

// newCompany is a house of level 4 with a directory, whose version is returned.
func newCompany(t *testing.T) (m *machine, version uint64) {
	m = newHouse(t)
	m.must(SetLevel{Level: 3})
	m.must(SetLevel{Level: LevelDirectory})
	m.must(PutDirectory{Directory: fullDirectory()})
	return m, m.s.Index()
}

func TestPutDirectoryReplacesTheWholeConfiguration(t *testing.T) {
	m, version := newCompany(t)
	want := fullDirectory()
	want.Version = version
	if diff := cmp.Diff(&want, m.s.Directory()); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	small := iam.Directory{Host: "::1", Port: 389, DNTemplate: "uid=%(username)s", Version: 7}
	m.must(PutDirectory{Directory: small})
	small.Version = m.s.Index()
	if diff := cmp.Diff(&small, m.s.Directory()); diff != "" {
		t.Errorf("the second (-want +got):\n%s", diff)
	}
	if small.Version <= version {
		t.Errorf("version %d after %d", small.Version, version)
	}
}

func TestAnInvalidDirectoryIsRefused(t *testing.T) {
	m, _ := newCompany(t)
	for name, breakIt := range map[string]func(*iam.Directory){
		"no host":                   func(d *iam.Directory) { d.Host = "" },
		"no port":                   func(d *iam.Directory) { d.Port = 0 },
		"a port too high":           func(d *iam.Directory) { d.Port = 65536 },
		"no way to find users":      func(d *iam.Directory) { d.DNTemplate, d.UserSearch = "", nil },
		"a search without filter":   func(d *iam.Directory) { d.UserSearch = &iam.Search{Base: "dc=example"} },
		"groups without members":    func(d *iam.Directory) { d.GroupSearch.MemberAttributes = nil },
		"a password of nobody":      func(d *iam.Directory) { d.LookupDN = "" },
		"a certificate without key": func(d *iam.Directory) { d.SealedClientKey = nil },
		"a key without certificate": func(d *iam.Directory) { d.ClientCert = "" },
	} {
		d := fullDirectory()
		breakIt(&d)
		if _, err := m.apply(m.header(), PutDirectory{Directory: d}); !fault.Is(err, fault.LDAPConfigInvalid) {
			t.Errorf("%s: %v, want %s", name, err, fault.LDAPConfigInvalid)
		}
	}
}

// Nothing of the directory's users goes with its configuration: it may come back.
func TestDeleteDirectoryKeepsItsUsersAndGroups(t *testing.T) {
	m, version := newStaff(t)
	m.must(DeleteDirectory{})
	if m.s.Directory() != nil {
		t.Fatal("there is a directory")
	}
	if _, ok := m.s.User("lena"); !ok || !m.s.Member("staff", "lena") {
		t.Error("lena went, or is not in staff any more")
	}
	m.refuse(DeleteDirectory{}, fault.LDAPConfigNotAvailable)
	m.refuse(ResealDirectory{Version: version}, fault.LDAPConfigNotAvailable)
	m.refuse(SyncDirectory{Version: version}, fault.LDAPConfigNotAvailable)
}

func TestTheDirectoryOfTheLastSuperuserStays(t *testing.T) {
	m, _ := newStaff(t)
	m.must(AddMember{GID: iam.SuperuserGroup, UID: "lena"})
	m.must(DeleteUser{UID: "alice", TokenLife: life}) // lena logs in through the directory
	m.refuse(DeleteDirectory{}, fault.NoMoreSuperusers)
	m.must(PutDirectory{Directory: fullDirectory()})
	m.must(ResetSuperuser{UID: "operator", PasswordHash: "$6$op"})
	m.must(DeleteDirectory{})
}

func TestResealDirectoryReplacesTheSealsAlone(t *testing.T) {
	m, version := newCompany(t)
	anew := ResealDirectory{Version: version, SealedLookupPassword: []byte("password anew"), SealedClientKey: []byte("key anew")}
	m.must(anew)
	want := fullDirectory()
	want.Version, want.SealedLookupPassword, want.SealedClientKey = version, anew.SealedLookupPassword, anew.SealedClientKey
	if diff := cmp.Diff(&want, m.s.Directory()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.must(AdmitUser{User: ldapUser("lena"), Version: version}) // a login that was under way is not disturbed
}

func TestResealDirectoryRefusesWhatItDoesNotReplace(t *testing.T) {
	m, version := newCompany(t)
	password, key := []byte("password anew"), []byte("key anew")
	m.refuse(ResealDirectory{Version: version, SealedLookupPassword: password}, fault.InvalidData)
	m.refuse(ResealDirectory{Version: version, SealedClientKey: key}, fault.InvalidData)
	m.refuse(ResealDirectory{Version: version}, fault.InvalidData)
	m.must(PutDirectory{Directory: iam.Directory{Host: "ldap.example", Port: 389, DNTemplate: "uid=%(username)s"}})
	replaced := m.s.Index()
	m.refuse(ResealDirectory{Version: version, SealedLookupPassword: password, SealedClientKey: key}, fault.Conflict)
	m.refuse(ResealDirectory{Version: replaced, SealedLookupPassword: password}, fault.InvalidData)
}

// An administrator may still place users of the directory: what they may do is decided here.
func TestADelegateAdministersUsersOfTheDirectory(t *testing.T) {
	m, _ := newStaff(t)
	m.must(CreateACL{ACL: iam.ACL{RID: iam.AdminRouterACS}})
	m.must(GrantAction{RID: iam.AdminRouterACS, Principal: "bob", Action: iam.Full})
	for _, c := range []Command{AddMember{GID: "devs", UID: "lena"}, RemoveMember{GID: "staff", UID: "lena"}, DeleteUser{UID: "lena", TokenLife: life}} {
		if err := m.as("bob", administer, c); err != nil {
			t.Errorf("%s: %v", c.Kind(), err)
		}
	}
}
