package cli

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// getFlags say which version is read, and where its value goes.
type getFlags struct {
	version uint64
	out     string
	force   bool
}

func (a *app) secretGetCommand() *cobra.Command {
	var f getFlags
	cmd := a.verb("get PATH", "Print the value of a secret", "  gatehouse secret get prod/db/password\n"+
		"  gatehouse secret get prod/tls/server.p12 --out server.p12\n  gatehouse secret get prod/db/password --version 1\n"+
		"  gatehouse secret get prod/db/password --output json", OneArg,
		func(cmd *cobra.Command, args []string) error { return a.secretGet(cmd, args[0], f) })
	cmd.Long = "Prints the exact bytes of a secret and nothing else; on a terminal a newline follows. What is no plain text is not\n" +
		"printed on a terminal: give --out FILE, or --force. With --output json or yaml it prints what else is known of\n" +
		"the secret, too, and the value of a file in base64."
	cmd.Flags().Uint64Var(&f.version, "version", 0, "the version `N` (default: the newest)")
	cmd.Flags().StringVar(&f.out, "out", "", "write the value to `FILE`, mode 0600, at once or not at all")
	cmd.Flags().BoolVar(&f.force, "force", false, "print it on a terminal, whatever it is")
	cmd.ValidArgsFunction = a.completeSecrets
	return cmd
}

func (a *app) secretGet(cmd *cobra.Command, path string, f getFlags) error {
	if f.out != "" && a.output != "table" {
		return usage(errors.New("--out and --output: want one of them"), "")
	}
	t, err := a.find(false)
	if err != nil {
		return err
	}
	return a.with(cmd.Context(), t, loggedIn, func(c *client.Client) error {
		s, err := c.ReadSecretVersion(cmd.Context(), a.storeName, path, f.version)
		switch {
		case err != nil:
			return err
		case f.out != "":
			return a.saveValue(f.out, path, s)
		case a.output != "table":
			return a.show(view{data: a.shownSecret(path, s)})
		}
		return a.printValue(s.Value, f.force)
	})
}

// printValue prints a value as it is. A terminal gets what people can read.
func (a *app) printValue(content []byte, force bool) error {
	if _, onTerminal, _ := a.env.Terminal(); onTerminal && !force {
		if !plainText(content) {
			return usage(errors.New("the value is no plain text and may upset the terminal"), "use --out FILE, or --force to print it all the same")
		}
		if !bytes.HasSuffix(content, []byte("\n")) {
			content = append(bytes.Clone(content), '\n')
		}
	}
	return write(a.env.Stdout, content)
}

// plainText reports whether a terminal shows it and does nothing else.
func plainText(content []byte) bool {
	return utf8.Valid(content) && !strings.ContainsFunc(string(content), func(r rune) bool { return r != '\n' && r != '\t' && hostile(r) })
}

func (a *app) saveValue(file, path string, s client.Secret) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return usage(fmt.Errorf("--out: %s is no regular file", file), "without --out the value goes to standard output")
	}
	if err := writePrivate(file, s.Value); err != nil {
		return usage(fmt.Errorf("--out: %w", err), "")
	}
	fmt.Fprintf(a.env.Stderr, "Wrote version %d of the secret %s to %s.\n", s.Version, safe(path), filepath.Clean(file))
	return nil
}

// shownSecret is a secret with everything that is known of it.
type shownSecret struct {
	Store       string    `json:"store"`
	Path        string    `json:"path"`
	Version     uint64    `json:"version"`
	ETag        string    `json:"etag"`
	Binary      bool      `json:"binary"`
	Author      string    `json:"author,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	Expires     time.Time `json:"expires,omitzero"`
	Description string    `json:"description,omitempty"`
	Labels      []string  `json:"labels,omitempty"`
	Value       *string   `json:"value,omitempty"`
	Base64      *string   `json:"value_base64,omitempty"`
}

func (a *app) shownSecret(path string, s client.Secret) shownSecret {
	text := string(s.Value)
	shown := shownSecret{Store: a.storeName, Path: path, Version: s.Version, ETag: s.ETag, Binary: s.Binary, Author: s.Author,
		Created: s.Created, Expires: s.Expires, Description: s.Description, Labels: s.Labels, Value: &text}
	if s.Binary {
		text = base64.StdEncoding.EncodeToString(s.Value)
		shown.Value, shown.Base64 = nil, &text
	}
	return shown
}
