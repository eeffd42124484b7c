package disk

import (
	"fmt"
	"strings"
)

// Damage says that a part of the data directory is missing, damaged, or belongs to something else, and what an
// operator does about it. Open and LoadIdentity return it; nothing was changed on disk.
type Damage struct {
	File    string // the part that is wrong, as a path
	Problem string // what is wrong with it
	Remedy  string // what to do, as a sentence without a full stop
	Err     error  // the cause, or nil
}

// Error names the file, the problem with its cause, and the remedy, on one line.
func (d *Damage) Error() string {
	var b strings.Builder
	b.WriteString(d.File)
	b.WriteString(": ")
	b.WriteString(d.Problem)
	if d.Err != nil {
		b.WriteString(": ")
		b.WriteString(d.Err.Error())
	}
	b.WriteString(". Remedy: ")
	b.WriteString(d.Remedy)
	return b.String()
}

// Unwrap gives the cause, so that callers can look for an unknown key, say.
func (d *Damage) Unwrap() error { return d.Err }

// cannotOpen is the problem of everything sealed that does not open. The three causes look alike from here.
const cannotOpen = "cannot be opened: it is damaged, or was written with another cluster key or for another cluster"

// remedyReplace is for a master that has taken part in a cluster: what it knew is gone, so it must not return under
// the same server id. A repaired or half-empty directory would forget votes and acknowledged writes.
func remedyReplace(dir string) string {
	return fmt.Sprintf("check the cluster key file and the disk; put the file back only if you have exactly what this "+
		"master last wrote; otherwise move %s away, start with an empty directory so that the master joins as a new "+
		"server, and remove its old server id from the cluster", dir)
}

// remedyEmpty is for a master that never took part: nothing can be lost.
func remedyEmpty(dir string) string {
	return fmt.Sprintf("this master has not taken part in a cluster yet; move %s away and start with an empty directory", dir)
}

// damages builds Damage values for one data directory.
type damages struct {
	dir         string
	initialised bool
}

// at makes a Damage about one file, with the remedy that fits the directory.
func (d damages) at(file string, err error, format string, args ...any) *Damage {
	remedy := remedyReplace(d.dir)
	if !d.initialised {
		remedy = remedyEmpty(d.dir)
	}
	return &Damage{File: file, Problem: fmt.Sprintf(format, args...), Remedy: remedy, Err: err}
}
