//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// says runs a line and looks at its status and at what it prints.
func (d *desk) says(t *testing.T, status int, want, line string) {
	t.Helper()
	got, out, errs := d.run(t, line)
	if got != status || !strings.Contains(out+errs, want) {
		t.Errorf("%s\nstatus %d\n%s%s\nwant %d and %q", line, got, out, errs, status, want)
	}
}

// joins creates a user and logs in as it, under its name.
func (d *desk) joins(t *testing.T, c *rig.Cluster, uid string) {
	t.Helper()
	d.file(t, "joins.txt", "a-passphrase\n")
	d.good(t, "gatehouse user create "+uid+" --password-file joins.txt")
	d.good(t, fmt.Sprintf("gatehouse login --name %s --url %s --uid %s --password-file joins.txt", uid, strings.Join(urlsOf(c), ","), uid))
	d.good(t, "gatehouse cluster use admin")
}

// An administrator lets somebody do something and takes it back; the one concerned sees it, and nothing else.
func TestPeopleManageAccess(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	d.login(t, c, "admin")
	uid, gid, rid := named(t, "u"), named(t, "g"), "dcos:service:marathon:marathon:services:/"+named(t, "r")+"/*"
	d.joins(t, c, uid)

	d.good(t, "gatehouse group create "+gid+" --description 'For a test'")
	d.good(t, "gatehouse group add "+gid+" "+uid)
	d.says(t, 1, "ERR_USER_ALREADY_IN_GROUP", "gatehouse group add "+gid+" "+uid)
	d.says(t, 1, "no: "+uid+" does not have update on "+rid, "gatehouse can-i '"+rid+"' update --as "+uid)
	d.good(t, "gatehouse permission grant '"+rid+"' read update --group "+gid)
	d.says(t, 0, "before", "gatehouse permission grant '"+rid+"' read update --group "+gid)
	d.says(t, 0, "its group "+gid+" has read, update on "+rid, "gatehouse can-i '"+rid+"' update --as "+uid)
	d.says(t, 0, "read, update", "gatehouse group show "+gid)
	d.says(t, 0, "group "+gid+"  read, update", "gatehouse acl show '"+rid+"'")
	d.says(t, 0, "group "+gid, "gatehouse user show "+uid)
	d.says(t, 0, `"superuser": true`, "gatehouse whoami -o json")

	d.good(t, "gatehouse cluster use "+uid)
	d.says(t, 0, "superuser    no", "gatehouse whoami")
	d.says(t, 0, "groups       "+gid, "gatehouse whoami")
	d.says(t, 0, rid+"  read, update  group "+gid, "gatehouse permission show")
	d.says(t, 0, "yes", "gatehouse can-i '"+rid+"' read")
	d.says(t, 1, "has only read, update there", "gatehouse can-i '"+rid+"' delete")
	for _, line := range []string{"user list", "group list", "acl list", "permission show --user " + rig.Superuser, "can-i dcos:x read --as " + rig.Superuser,
		"group add superusers " + uid, "permission grant dcos:superuser full --user " + uid} {
		d.says(t, 3, "gatehouse whoami", "gatehouse "+line)
	}

	d.file(t, "new.txt", "a-new-passphrase\n")
	d.says(t, 2, "--current-password-file", "gatehouse user update "+uid+" --password-file new.txt")
	d.says(t, 1, "ERR_INVALID", "gatehouse user update "+uid+" --password-file new.txt --current-password-file new.txt")
	d.good(t, "gatehouse user update "+uid+" --password-file new.txt --current-password-file joins.txt")
	d.good(t, "gatehouse login --name "+uid+" --password-file new.txt")

	d.good(t, "gatehouse cluster use admin")
	d.says(t, 0, "still has read there: its group "+gid,
		"gatehouse permission grant '"+rid+"' read --user "+uid+" && gatehouse permission revoke '"+rid+"' read --user "+uid)
	d.good(t, "gatehouse permission revoke '"+rid+"' --all --group "+gid)
	for range c.Masters { // any of them
		d.says(t, 1, "nothing is granted there to "+uid+", nor to its groups: "+gid, "gatehouse can-i '"+rid+"' read --cluster "+uid)
	}
	d.good(t, "gatehouse group delete --yes "+gid)
	d.says(t, 0, "groups       none", "gatehouse whoami --cluster "+uid)
	d.good(t, "gatehouse acl delete --yes '"+rid+"' && gatehouse user delete --yes "+uid)
	d.says(t, 3, "login is refused", "gatehouse whoami --cluster "+uid)
}

// The last superuser stays, whichever way somebody tries; the message says what to do first.
func TestNobodyLocksEverybodyOut(t *testing.T) {
	c := start(t, rig.Options{Masters: 1})
	d := newDesk(t)
	d.login(t, c, "admin")
	const advice = "gatehouse group add superusers UID"
	d.says(t, 1, advice, "gatehouse user delete --yes "+rig.Superuser)
	d.says(t, 1, advice, "gatehouse group remove superusers "+rig.Superuser)
	d.says(t, 1, "ERR_IS_SUPERUSER_GROUP", "gatehouse group delete --yes superusers")
	d.says(t, 1, "ERR_IS_SUPERUSER_GROUP", "gatehouse permission revoke dcos:superuser full --group superusers")
	d.says(t, 1, "ERR_IS_SUPERUSER_ACL", "gatehouse acl delete --yes dcos:superuser")
	d.joins(t, c, "second")
	d.good(t, "gatehouse group add superusers second && gatehouse user delete --yes "+rig.Superuser)
	d.says(t, 0, "yes, through the group superusers", "gatehouse whoami --cluster second")
}
