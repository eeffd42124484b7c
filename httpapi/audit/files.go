package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Names of files: audit-MASTER-FIRST.log, where FIRST is the number of the first record in it. They sort by master and age.
const (
	filePrefix  = "audit-"
	fileSuffix  = ".log"
	asideSuffix = ".torn"
	digits      = 20 // every uint64 fits
)

// file is one file of a trail.
type file struct {
	path   string
	master string
	first  uint64
}

func fileName(master string, first uint64) string {
	return fmt.Sprintf("%s%s-%0*d%s", filePrefix, master, digits, first, fileSuffix)
}

// parseName reads the name of a file; ok is false for files of others.
func parseName(path string) (f file, ok bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), fileSuffix)
	rest, isOurs := strings.CutPrefix(name, filePrefix)
	i := strings.LastIndexByte(rest, '-')
	if !ok || !isOurs || i <= 0 || len(rest)-i-1 != digits {
		return file{}, false
	}
	first, err := strconv.ParseUint(rest[i+1:], 10, 64)
	return file{path: path, master: rest[:i], first: first}, err == nil && first > 0
}

// Files lists the files of all trails in a directory, by master and age.
func Files(dir string) ([]string, error) {
	found, err := trails(dir, "")
	var paths []string
	for _, f := range found {
		paths = append(paths, f.path)
	}
	return paths, err
}

// trails lists the files of a master, or of all masters when it is "".
func trails(dir, master string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the audit files: %w", err)
	}
	var found []file
	for _, e := range entries {
		if f, ok := parseName(filepath.Join(dir, e.Name())); ok && (master == "" || f.master == master) {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return found, nil
}

// create makes a new file that only its owner can read, and makes sure that it stays.
func create(dir, master string, first uint64) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, fileName(master, first)), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make an audit file: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the audit directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("force the audit directory to the disk: %w", err)
	}
	return nil
}

// hashOf is the hash of a line that is given without its newline.
func hashOf(text string) Hash {
	h := sha256.New()
	h.Write([]byte(text))
	h.Write([]byte{'\n'})
	return Hash(h.Sum(nil))
}
