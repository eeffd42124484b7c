package disk

import "strings"

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
