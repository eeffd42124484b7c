package fsm

import (
	"strings"
	"time"

	"pgregory.net/rapid"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// drawDirectory draws a command about the directory and its users. The directory was configured last at the index.
func drawDirectory(t *rapid.T, configured uint64) command.Command {
	user := drawRemote(t, "user")
	gid := rapid.SampledFrom([]string{"devs", "staff", iam.SuperuserGroup, "a b"}).Draw(t, "gid")
	version := rapid.SampledFrom([]uint64{configured, configured, configured, configured + 2, 0}).Draw(t, "version")
	directory := iam.Directory{Host: "ldap.example", Port: 389, DNTemplate: "uid=%(username)s"}
	if rapid.Bool().Draw(t, "with secrets") {
		directory.LookupDN, directory.SealedLookupPassword = "cn=lookup", []byte("sealed")
	}
	return rapid.SampledFrom([]command.Command{
		command.PutDirectory{Directory: directory}, command.PutDirectory{Directory: directory}, command.DeleteDirectory{},
		command.ResealDirectory{Version: version, SealedLookupPassword: []byte("anew")},
		command.AdmitUser{User: user, Version: version}, command.AdmitUser{User: user, Version: version},
		command.ForgetSubject{UID: user.UID}, command.AddMember{GID: gid, UID: user.UID}, command.DeleteUser{UID: user.UID, TokenLife: time.Hour},
		drawSync(t, version), drawSync(t, version), drawSync(t, version),
	}).Draw(t, "about the directory")
}

func drawRemote(t *rapid.T, label string) iam.User {
	u := iam.User{UID: rapid.SampledFrom([]string{"lena", "lars", "bob", "remote"}).Draw(t, label), ProviderType: iam.LDAP}
	if u.UID == "remote" {
		u.ProviderType, u.ProviderID = iam.SAML, "idp"
		u.Subject = strings.Repeat(rapid.SampledFrom([]string{"A", "Q"}).Draw(t, "subject"), 42) + "A"
	}
	return u
}

func drawSync(t *rapid.T, version uint64) command.SyncDirectory {
	c := command.SyncDirectory{Version: version, TokenLife: time.Hour}
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		u := drawRemote(t, "uid")
		g := iam.Group{GID: rapid.SampledFrom([]string{"devs", "staff", iam.SuperuserGroup}).Draw(t, "group"), ProviderType: iam.LDAP}
		m := state.Membership{GID: g.GID, UID: u.UID}
		switch rapid.IntRange(0, 8).Draw(t, "item") {
		case 0:
			c.CreateUsers = append(c.CreateUsers, iam.User{UID: u.UID, ProviderType: iam.LDAP})
		case 1:
			c.CreateGroups = append(c.CreateGroups, g)
		case 2, 6:
			c.AddMembers = append(c.AddMembers, m)
		case 3:
			c.RemoveMembers = append(c.RemoveMembers, m)
		case 4, 7:
			c.RemoveUsers = append(c.RemoveUsers, u.UID)
		case 5, 8:
			c.RemoveGroups = append(c.RemoveGroups, g.GID)
		}
	}
	return c
}
