package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxValue bounds what is read as the value of a secret, in bytes. Masters take less, and say how much.
const maxValue = 64 << 20

// valueFlags are the ways in which the value of a secret comes in. Without any it is typed at a prompt, or read from standard input.
type valueFlags struct {
	file     string
	text     bool
	trim     bool
	insecure string
}

func (f *valueFlags) add(flags *pflag.FlagSet) {
	flags.StringVarP(&f.file, "file", "f", "", "store the exact bytes of `FILE` as a file; - is standard input")
	flags.BoolVar(&f.text, "text", false, "with --file: store them as text, which must be UTF-8")
	flags.BoolVar(&f.trim, "trim", false, "leave out the newline at the end, if there is one")
	flags.StringVar(&f.insecure, "insecure-value", "", "the value is `TEXT`; every user of this machine can see it")
}

// value is what is stored. It does not show when it is printed.
type value struct {
	bytes  []byte
	binary bool
}

// Format leaves the value out.
func (value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// read is the value of the secret at path.
func (f *valueFlags) read(cmd *cobra.Command, a *app, path string) (value, error) {
	insecure := cmd.Flags().Changed("insecure-value")
	switch {
	case insecure && f.file != "":
		return value{}, usage(errors.New("--file and --insecure-value: want one of them"), "")
	case f.text && f.file == "":
		return value{}, usage(errors.New("--text is of use with --file alone: other values are text"), "")
	case insecure:
		fmt.Fprintln(a.env.Stderr, "Warning: a value on the command line can be seen by every user of this machine and stays in the shell's history.")
		return f.checked(value{bytes: []byte(f.insecure)})
	case f.file != "":
		content, err := a.readValueFile(f.file)
		if err != nil {
			return value{}, usage(fmt.Errorf("--file: %w", err), "")
		}
		return f.checked(value{content, !f.text})
	case a.terminalIn():
		typed, err := a.askValue(cmd.Context(), path)
		return value{bytes: []byte(typed)}, err
	}
	return f.fromStdin(a)
}

// fromStdin reads what was piped in, every byte of it. Nothing at all is more likely a slip than a value.
func (f *valueFlags) fromStdin(a *app) (value, error) {
	content, err := readBounded(a.env.Stdin)
	switch {
	case err != nil:
		return value{}, usage(fmt.Errorf("read the value from standard input: %w", err), "")
	case len(content) == 0:
		return value{}, usage(errors.New("standard input is empty; a value is expected there"), "use --file FILE; --file /dev/null stores an empty one")
	}
	if !f.trim && bytes.IndexByte(content, '\n') == len(content)-1 {
		fmt.Fprintln(a.env.Stderr, "Note: the value ends with a newline, which is stored, too; --trim leaves it out.")
	}
	return f.checked(value{bytes: content})
}

// checked takes the newline off, if that is wanted, and refuses text that is none.
func (f *valueFlags) checked(v value) (value, error) {
	if f.trim {
		v.bytes = bytes.TrimSuffix(bytes.TrimSuffix(v.bytes, []byte("\n")), []byte("\r"))
	}
	if !v.binary && !utf8.Valid(v.bytes) {
		return value{}, usage(errors.New("the value is not text in UTF-8"), "store it as a file: --file FILE, or --file - for standard input")
	}
	return v, nil
}

func (a *app) readValueFile(name string) ([]byte, error) {
	if name == "-" {
		return readBounded(a.env.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxValue+1))
	if err == nil && len(content) > maxValue {
		err = fmt.Errorf("it is longer than %d bytes", maxValue)
	}
	return content, err
}

// askValue asks twice, because nobody sees what is typed. The end of the line is not part of the value.
func (a *app) askValue(ctx context.Context, path string) (string, error) {
	const script = "pipe the value in, or use --file FILE"
	first, err := a.askHidden(ctx, "value", "Value of "+safe(path)+": ", script)
	if err != nil {
		return "", err
	}
	second, err := a.askHidden(ctx, "value", "The same again: ", script)
	switch {
	case err != nil:
		return "", err
	case first != second:
		return "", usage(errors.New("the values differ; nothing was changed"), "")
	}
	return first, nil
}
