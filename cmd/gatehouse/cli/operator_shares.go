package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// splitFlags say how a root key is split, and where the shares go.
type splitFlags struct {
	shares, threshold int
	pgpKeys           []string
	auto              bool
	outDir            string
}

func (f *splitFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.shares, "shares", 5, "make `N` shares, 1 to 255")
	flags.IntVar(&f.threshold, "threshold", 3, "so many shares unseal: 2 to the number of shares, or 1 of 1")
	flags.StringArrayVar(&f.pgpKeys, "pgp-key", nil, "encrypt a share to the public key in `FILE`, binary, armored or base64; once for each share")
	flags.BoolVar(&f.auto, "auto-unseal", false, "the masters keep the root key, too, sealed by the method that they have, and unseal by themselves")
	flags.StringVar(&f.outDir, "out-dir", "", "write each share to a file of its own in `DIRECTORY`, mode 0600, rather than print them")
}

// split reads the keys.
func (f *splitFlags) split() (client.NewShares, error) {
	s := client.NewShares{Shares: f.shares, Threshold: f.threshold, AutoUnseal: f.auto}
	var problems []error
	for _, name := range f.pgpKeys {
		key, err := readPGPKey(name)
		problems = append(problems, err)
		s.PGPKeys = append(s.PGPKeys, key)
	}
	if n := len(f.pgpKeys); n > 0 && n != f.shares {
		problems = append(problems, fmt.Errorf("got %s for %s", count(n, "PGP key"), count(f.shares, "share")))
	}
	if err := errors.Join(problems...); err != nil {
		return s, usage(fmt.Errorf("--pgp-key: %w", err), "give --pgp-key FILE once for each share")
	}
	return s, nil
}

// holders are the names of those whose PGP keys were given, as far as the files tell.
func (f *splitFlags) holders() (names []string) {
	for _, key := range f.pgpKeys {
		names = append(names, strings.TrimSuffix(filepath.Base(key), filepath.Ext(key)))
	}
	return names
}

// shareSet is where a set of new shares goes.
type shareSet struct {
	// holders are those whose PGP keys encrypt the shares; none if they are not encrypted.
	holders []string
	files   []*os.File // made for them; none if they are printed
}

// checkPlace refuses to print shares where they would stay: into a pipe or a file that nobody has thought of.
func (a *app) checkPlace(f *splitFlags) error {
	_, onTerminal, _ := a.env.Terminal()
	switch {
	case f.outDir != "" && a.output != "table":
		return usage(errors.New("--out-dir and --output: want one of them"), "")
	case f.outDir != "" || onTerminal || a.output != "table" || len(f.pgpKeys) > 0:
		return nil
	}
	return usage(errors.New("the shares would be printed, and not on a terminal"), "use --out-dir DIRECTORY, --pgp-key FILE, or --output json if a program is to read them")
}

// place makes the files, so that a forbidden directory is noticed before the shares exist: they are shown once.
func (f *splitFlags) place(store string, shares int, holders []string) (*shareSet, error) {
	set := &shareSet{holders: holders}
	if f.outDir == "" {
		return set, nil
	}
	if err := os.MkdirAll(f.outDir, 0o700); err != nil {
		return nil, usage(fmt.Errorf("--out-dir: %w", err), "")
	}
	for i := range shares {
		path := filepath.Join(f.outDir, set.fileName(store, i))
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%s exists; it is not overwritten", path)
		}
		if err != nil {
			set.discard()
			return nil, usage(fmt.Errorf("--out-dir: %w", err), "")
		}
		set.files = append(set.files, file)
	}
	return set, nil
}

// fileName names the file of a share after its holder, if that is known.
func (s *shareSet) fileName(store string, i int) string {
	if i >= len(s.holders) {
		return fmt.Sprintf("%s-share-%d.txt", store, i+1)
	}
	return fmt.Sprintf("%s-share-%d-%s.gpg", store, i+1, s.holders[i])
}

// discard removes the files again: there are no shares.
func (s *shareSet) discard() {
	for _, f := range s.files {
		f.Close()
		_ = os.Remove(f.Name())
	}
	s.files = nil
}

// write puts the shares into the files: as lines of hex, or as the messages that gpg decrypts.
func (s *shareSet) write(keys []string) error {
	if len(keys) != len(s.files) {
		return fmt.Errorf("there are %d shares for %d files", len(keys), len(s.files))
	}
	for i, f := range s.files {
		content := []byte(keys[i] + "\n")
		if len(s.holders) > 0 {
			message, err := hex.DecodeString(keys[i])
			if err != nil {
				return fmt.Errorf("share %d is not hex", i+1)
			}
			content = message
		}
		_, err := f.Write(content)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// shownShares is what programs are shown of new shares.
type shownShares struct {
	Result       string   `json:"result"`
	Store        string   `json:"store"`
	Shares       int      `json:"shares"`
	Threshold    int      `json:"threshold"`
	Keys         []string `json:"keys"`
	Fingerprints []string `json:"pgp_fingerprints"`
	Nonce        string   `json:"nonce,omitempty"`
}

// Format leaves the shares out.
func (shownShares) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// deliver writes the shares, or shows them. head says what has happened.
func (a *app) deliver(set *shareSet, head string, s shownShares) error {
	if set.files != nil {
		if err := set.write(s.Keys); err != nil {
			return fail(StatusFailed, fmt.Errorf("the shares could not be written: %w", err), "they are lost; do it again: nothing depends on them yet")
		}
		return write(a.env.Stdout, []byte(head+set.listing(s)))
	}
	return a.show(view{s, func(int) string { return head + set.listing(s) }})
}

// listing is the shares, or where they are, and what to do with them.
func (set *shareSet) listing(s shownShares) string {
	var b strings.Builder
	for i, key := range s.Keys {
		switch {
		case set.files != nil:
			fmt.Fprintf(&b, "Share %d is in %s\n", i+1, set.files[i].Name())
		case i < len(s.Fingerprints):
			fmt.Fprintf(&b, "Share %d, for the PGP key %s:\n%s\n", i+1, safe(s.Fingerprints[i]), safe(key))
		default:
			fmt.Fprintf(&b, "Share %d: %s\n", i+1, safe(key))
		}
	}
	b.WriteString("\n" + set.warning(s))
	return b.String()
}

func (set *shareSet) warning(s shownShares) string {
	var lines string
	switch {
	case len(set.holders) > 0 && set.files != nil:
		lines = "Give each file to the holder of the key; gpg --decrypt FILE | gatehouse operator unseal gives the share.\n"
	case len(set.holders) > 0:
		lines = "Each holder decrypts a share so: printf %s HEX | xxd -r -p | gpg --decrypt | gatehouse operator unseal.\n"
	default:
		lines = "WARNING: the shares are shown this once, and nobody can show them again. Give each to another person, who keeps it\naway from the masters, and remove every copy here.\n"
	}
	return lines + fmt.Sprintf("Whoever has %d of them can open the store. With fewer nobody can, for ever.\n", s.Threshold)
}
