package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gatehouse/cluster/disk"
	"gatehouse/keyring"
)

func checkConfig(f *facts) (found []Finding) {
	for _, p := range f.in.Problems {
		found = append(found, problem(p, "mend it; the master does not start with it (gatehouse config validate)"))
	}
	return otherwise(found, "the configuration is valid")
}

// daemonUID is the user that the master runs as: that of the process, or else the owner of its data; -1 if unknown.
func (f *facts) daemonUID() int {
	switch {
	case f.daemon.uid >= 0 && f.daemon.pid != 0:
		return f.daemon.uid
	case f.dir.err == nil:
		return f.dir.uid
	}
	return -1
}

func checkKeyFile(f *facts) []Finding {
	k, uid := f.key, f.daemonUID()
	if errors.Is(k.err, fs.ErrPermission) && f.uid != uid && (uid < 0 || k.uid == uid) {
		return notChecked(fmt.Sprintf("%s is not readable by you; run this as root or as the master's user", f.in.KeyFile))
	}
	if isTimeout(k.err) {
		return []Finding{problem(f.in.KeyFile+" cannot be read within 3 s", "look at the disk that it is on (dmesg)")}
	}
	if k.err != nil {
		return []Finding{problem(k.err.Error(), "a master without it cannot start")}
	}
	if uid > 0 && k.uid != uid {
		return []Finding{problem(fmt.Sprintf("%s belongs to user %d, and the master runs as %d, which cannot read it", f.in.KeyFile, k.uid, uid),
			fmt.Sprintf("chown %d %s", uid, f.in.KeyFile))}
	}
	return ok(fmt.Sprintf("%s has mode %04o and holds the keys %v", f.in.KeyFile, k.mode, k.ring.KeyIDs()))
}

func checkDataDir(f *facts) []Finding {
	d := f.dir
	switch {
	case d.missing:
		return []Finding{warning(f.in.DataDir+" is not there", "right for a new master: it makes the directory when it may; otherwise mount the disk or mend --data-dir")}
	case d.err != nil:
		return []Finding{problem(fmt.Sprintf("%s cannot be looked at: %v", f.in.DataDir, d.err), "run this as root or as the master's user")}
	case errors.Is(d.identityErr, fs.ErrPermission):
		return notChecked(fmt.Sprintf("%s is not readable by you; run this as root or as the master's user", f.in.DataDir))
	case d.identityErr != nil:
		return []Finding{problem(d.identityErr.Error(), "do as it says")}
	}
	return otherwise(f.dirRights(), f.dirSummary())
}

func (f *facts) dirRights() (found []Finding) {
	d := f.dir
	if d.mode&0o077 != 0 {
		found = append(found, warning(fmt.Sprintf("others may look into %s: its mode is %04o", f.in.DataDir, d.mode), "chmod 700 "+f.in.DataDir))
	}
	if pid := f.daemon.pid; pid != 0 && d.holder != 0 && d.holder != pid {
		found = append(found, problem(fmt.Sprintf("%s is in use by process %d, but the admin socket is served by process %d", f.in.DataDir, d.holder, pid),
			"two masters are set up on this host: give each its own --data-dir and --admin-socket"))
	}
	if f.daemon.uid > 0 && f.daemon.pid != 0 && d.uid != f.daemon.uid {
		found = append(found, problem(fmt.Sprintf("%s belongs to user %d, and the master runs as %d", f.in.DataDir, d.uid, f.daemon.uid), fmt.Sprintf("chown -R %d %s", f.daemon.uid, f.in.DataDir)))
	}
	return found
}

func (f *facts) dirSummary() string {
	d := f.dir
	if d.identity == nil {
		return f.in.DataDir + " holds no master yet"
	}
	use := "no process uses it"
	switch {
	case d.holderErr != nil:
		use = "which process uses it cannot be told"
	case d.holder != 0:
		use = fmt.Sprintf("process %d uses it", d.holder)
	}
	return fmt.Sprintf("%s is that of server %s; %s", f.in.DataDir, d.identity.ServerID, use)
}

func checkDamage(f *facts) []Finding {
	d := f.dir
	var damage *disk.Damage
	switch {
	case errors.Is(d.identityErr, fs.ErrPermission) || d.identity == nil || f.key.ring == nil:
		return notChecked("there are no data to look at, or no key to open them with")
	case !d.inspected:
		return notChecked("the master runs; it has proved its data when it started, and checks what it reads")
	case errors.As(d.damage, &damage) && errors.Is(damage.Err, keyring.ErrUnknownKey): // nobody shall throw data away for a wrong key file
		return []Finding{problem(fmt.Sprintf("%s lacks a key that this master's data are sealed by: %s: %v", f.in.KeyFile, damage.File, damage.Err),
			"use the key file from before, or copy that of another master; do not touch the data directory")}
	case errors.As(d.damage, &damage):
		return []Finding{problem(damage.File+": "+damageText(damage), damage.Remedy)}
	case isTimeout(d.damage):
		return notChecked("reading all data takes longer than this may; the master does it at its start")
	case d.damage != nil:
		return []Finding{problem(fmt.Sprintf("the data cannot be read: %v", d.damage), "look at the disk; run this as root or as the master's user")}
	}
	return ok("log and snapshots are whole and open with this key file")
}

func damageText(d *disk.Damage) string {
	if d.Err == nil {
		return d.Problem
	}
	return fmt.Sprintf("%s: %v", d.Problem, d.Err)
}

func checkRoom(f *facts) []Finding {
	r := f.dir.room
	switch {
	case f.dir.err != nil:
		return f.noDirectory()
	case isTimeout(f.dir.roomErr):
		return []Finding{problem("the disk does not say within 3 s how full it is", "look at the disk and its controller (dmesg); a master whose disk hangs ends itself after 10 s")}
	case f.dir.roomErr != nil:
		return notChecked(f.dir.roomErr.Error())
	case r.Free < r.LowWater:
		return []Finding{problem(fmt.Sprintf("%s are free, less than --disk-low-water (%s): changes are refused", size(r.Free), size(r.LowWater)), "make room; the master recovers by itself")}
	case r.Free < 2*r.LowWater:
		return []Finding{warning(fmt.Sprintf("%s are free, close to --disk-low-water (%s), below which changes are refused", size(r.Free), size(r.LowWater)), "make room")}
	}
	return ok(fmt.Sprintf("%s of %s are free; changes are refused below %s", size(r.Free), size(r.Total), size(r.LowWater)))
}

func (f *facts) noDirectory() []Finding {
	if f.dir.missing {
		return notChecked("there is no data directory")
	}
	return notChecked("the data directory cannot be looked at")
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// unsafe are the file systems, by the magic number of statfs(2), that do not keep what was forced to the device, or say
// that they did before they have.
var unsafe = map[int64]string{
	0x01021994: "tmpfs", 0x858458f6: "ramfs", 0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x65735546: "FUSE",
	0x01021997: "9p", 0x786f4256: "vboxsf", 0x5346414f: "AFS",
}

func checkDiskType(f *facts) []Finding {
	if f.dir.err != nil || f.dir.roomErr != nil {
		return notChecked("the file system of the data directory cannot be looked at")
	}
	name, bad := unsafe[f.dir.room.Type]
	if !bad {
		return ok("the data directory is on a local file system")
	}
	return []Finding{warning(fmt.Sprintf("the data directory is on %s, which may lose what the master was told is on disk", name),
		"put it on a local disk (ext4, XFS): a master that forgets its votes can cost acknowledged changes")}
}

const (
	slowSync  = 25 * time.Millisecond
	awfulSync = 500 * time.Millisecond
)

func checkDiskSpeed(f *facts) []Finding {
	d := f.dir
	switch {
	case d.err != nil:
		return f.noDirectory()
	case isTimeout(d.syncErr):
		return []Finding{problem("forcing 4 KiB to the disk takes longer than 3 s", "look at the disk and its controller (dmesg); a master whose disk hangs ends itself after 10 s")}
	case len(d.syncs) == 0:
		return notChecked(fmt.Sprintf("no file can be written in %s to measure (%v); run this as root or as the master's user", f.in.DataDir, d.syncErr))
	}
	middle := d.syncs[len(d.syncs)/2]
	found := fmt.Sprintf("forcing 4 KiB to the disk takes %v", middle.Round(10*time.Microsecond))
	do := "give the data directory a faster disk of its own: every change waits for it on a majority of masters"
	switch {
	case middle > awfulSync:
		return []Finding{problem(found, do)}
	case middle > slowSync:
		return []Finding{warning(found, do)}
	}
	return ok(found)
}
