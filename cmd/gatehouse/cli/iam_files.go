package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"gatehouse/httpapi/declare"
)

// declared are the flags that say what is declared, and where.
type declared struct {
	files []string
	prune bool
}

func (d *declared) add(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&d.files, "file", "f", nil, "read `FILE`: YAML or JSON, a directory of such files, or - for standard input; may be given several times")
	flags.BoolVar(&d.prune, "prune", false, "remove what the cluster has and a list in the files does not name")
}

// read reads all files as one document. All that is wrong with them is reported at once.
func (d *declared) read(stdin io.Reader) (*declare.Document, error) {
	if len(d.files) == 0 {
		return nil, usage(errors.New("no file is named"), "use -f FILE; gatehouse iam export writes one")
	}
	names, err := d.expand()
	if err != nil {
		return nil, usage(err, "")
	}
	var document declare.Document
	var wrong declare.Problems
	for _, name := range names {
		text, err := readDeclared(name, stdin)
		if err != nil {
			return nil, usage(err, "")
		}
		if name == "-" {
			name = "standard input"
		}
		wrong = append(wrong, document.Parse(name, text)...)
	}
	wrong = append(wrong, document.Check()...)
	return &document, refuse(StatusUsage, wrong)
}

// maxShown bounds how many problems are shown.
const maxShown = 50

// refuse is the error of a document with which something is wrong; nil if nothing is.
func refuse(status int, wrong declare.Problems) error {
	lines := wrong.Lines()
	switch n := len(lines); {
	case n == 0:
		return nil
	case n == 1:
		return fail(status, errors.New(lines[0]), "nothing was changed")
	case n > maxShown:
		lines = append(lines[:maxShown], fmt.Sprintf("… and %d more", n-maxShown))
	}
	return fail(status, fmt.Errorf("%d things are wrong; nothing was changed", len(wrong.Lines())), strings.Join(lines, "\n"))
}

// expand puts the files of a directory in its place, in the order of their names.
func (d *declared) expand() (names []string, err error) {
	for _, name := range d.files {
		info, err := os.Stat(name)
		if name == "-" || err == nil && !info.IsDir() {
			names = append(names, name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		inside, err := os.ReadDir(name)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		before := len(names)
		for _, entry := range inside {
			if !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && slices.Contains(endings, filepath.Ext(entry.Name())) {
				names = append(names, filepath.Join(name, entry.Name()))
			}
		}
		if len(names) == before {
			return nil, fmt.Errorf("--file: %s holds no file that ends in %s", name, strings.Join(endings, ", "))
		}
	}
	return names, nil
}

// endings are those of the files that are read in a directory.
var endings = []string{".yaml", ".yml", ".json"}

func readDeclared(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, declare.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	if len(text) > declare.MaxFile {
		return nil, fmt.Errorf("--file: %s is longer than %d bytes", name, declare.MaxFile)
	}
	return text, nil
}
