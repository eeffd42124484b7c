package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// auditFacts is what records are appended to.
type auditFacts struct {
	err      error // why it cannot be used
	writable func(uid int) bool
	mode     fs.FileMode // of the directory; 0 while there is none
	free     int64       // bytes; negative if unknown
}

// lowAudit is the free space, in bytes, from which on the audit trail is in danger: four files of the usual size.
const lowAudit = 256 << 20

// withoutTrail reports whether the setting names no directory.
func withoutTrail(setting string) bool { return setting == "" || setting == "-" || setting == "off" }

// lookAtAudit looks at the audit directory, or, while there is none, at the directory in which it would be made.
func lookAtAudit(dir string) auditFacts {
	f := auditFacts{writable: func(int) bool { return true }, free: -1}
	if withoutTrail(dir) {
		return f
	}
	info, err := os.Stat(dir)
	if err == nil {
		f.mode = info.Mode().Perm()
	}
	for parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir; parent = filepath.Dir(parent) {
		dir = parent
		info, err = os.Stat(dir)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", dir)
	}
	if err != nil {
		f.err = err
		return f
	}
	var room unix.Statfs_t
	if unix.Statfs(dir, &room) == nil {
		f.free = int64(room.Bavail) * room.Bsize
	}
	f.writable = func(uid int) bool {
		if owner(info) == uid || uid == 0 {
			return uid == 0 || info.Mode()&0o200 != 0
		}
		return info.Mode()&0o022 != 0
	}
	return f
}

// checkAudit looks whether records can be written, and whether the other masters vouch for them.
func checkAudit(f *facts) []Finding {
	dir := f.in.AuditLog
	switch {
	case dir == "off":
		return []Finding{warning("no audit records are kept", "remove --audit-log off")}
	case withoutTrail(dir):
		return ok("audit records go to standard error, where nobody can verify them")
	}
	do := "make it, or its directory, writable for the master's user: while records cannot be written, changes are refused"
	if f.audit.err != nil {
		return []Finding{problem(fmt.Sprintf("the audit directory %s cannot be used: %v", dir, f.audit.err), do)}
	}
	var found []Finding
	if uid := f.daemonUID(); uid >= 0 && !f.audit.writable(uid) {
		found = append(found, problem(fmt.Sprintf("the audit directory %s is not writable for user %d", dir, uid), do))
	}
	if f.daemon.metrics["gatehouse_audit_blocked"] > 0 {
		found = append(found, problem("the audit log cannot be written: changes are refused", "look at the disk, and at the master's log; it recovers by itself"))
	}
	if f.audit.mode&0o077 != 0 {
		found = append(found, warning(fmt.Sprintf("others can reach the audit directory %s (mode %04o)", dir, f.audit.mode), "chmod 0700 "+dir))
	}
	if f.audit.free >= 0 && f.audit.free < lowAudit {
		found = append(found, warning(fmt.Sprintf("%s are left for the audit log in %s", size(f.audit.free), dir), "make room, or lower --audit-keep: without room changes are refused"))
	}
	if lost := f.daemon.metrics["gatehouse_audit_lost_total"]; lost > 0 {
		found = append(found, warning(fmt.Sprintf("%.0f audit records were lost since the master started", lost), "the disk was full or hung; see its log"))
	}
	return otherwise(found, f.auditTold())
}

// auditTold says how far the trail has come, and how far all masters know it.
func (f *facts) auditTold() string {
	newest, known := f.daemon.metrics["gatehouse_audit_sequence"]
	if !known {
		return f.in.AuditLog + " can be written"
	}
	return fmt.Sprintf("%s has %.0f records; all masters know of %.0f", f.in.AuditLog, newest, f.daemon.metrics["gatehouse_audit_head_sequence"])
}
