package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
	"gatehouse/httpapi/declare"
)

const iamPath = "/gatehouse/v1/iam/"

func (a *app) iamCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use:   "iam",
		Short: "Keep users, groups, permissions in files: export, plan, apply",
		Long: "Keeps users (without passwords), service accounts, groups, protected resources and grants in files. export\n" +
			"writes what the cluster has, plan shows how it differs from files, apply makes it as they say. What the\n" +
			"files do not name is left alone, unless --prune says otherwise. Needs a superuser.",
		Example: "  gatehouse iam export -o iam.yaml\n  gatehouse iam plan -f iam.yaml",
	})
	a.target.add(cmd.PersistentFlags())
	cmd.AddCommand(a.iamExportCommand(), a.shown(a.iamPlanCommand()), a.shown(a.iamApplyCommand()))
	return cmd
}

// exportFlags are where an export goes.
type exportFlags struct {
	file        string
	json, force bool
}

func (a *app) iamExportCommand() *cobra.Command {
	var f exportFlags
	cmd := a.verb("export", "Write everything that can be declared, as one file", "  gatehouse iam export >iam.yaml\n  gatehouse iam export --json -o iam.json",
		NoArgs, func(cmd *cobra.Command, _ []string) error { return a.iamExport(cmd.Context(), f) })
	cmd.Long = "Writes everything that can be declared, sorted, so that the same state always makes the same file.\n" +
		"Passwords and their hashes are not in it. A file that exists, perhaps with comments, is not overwritten\n" +
		"without --force."
	cmd.Flags().StringVarP(&f.file, "output", "o", "-", "write to `FILE`; - is standard output")
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON in place of YAML")
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite a file that exists")
	return cmd
}

func (a *app) iamExport(ctx context.Context, f exportFlags) error {
	if info, err := os.Stat(f.file); f.file != "-" && err == nil && !f.force && info.Mode().IsRegular() && info.Size() > 0 {
		return usage(fmt.Errorf("%s exists", f.file), "what you wrote into it would be lost; say --force if it may be, or see what is different:\n"+
			"gatehouse iam plan -f "+quote(f.file))
	}
	var d *declare.Document
	t, err := a.find(false)
	if err != nil {
		return err
	}
	err = a.with(ctx, t, loggedIn, func(c *client.Client) error {
		d, err = export(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	text, err := written(d, f.json)
	if err != nil {
		return err
	}
	if f.file == "-" {
		return write(a.env.Stdout, text)
	}
	return replaceFile(f.file, text)
}

// written is a document as text, in which nothing acts on a terminal.
func written(d *declare.Document, asJSON bool) ([]byte, error) {
	if asJSON {
		text, err := plainJSON(d)
		return safeJSON(text), err
	}
	var b bytes.Buffer
	err := d.WriteYAML(&b)
	return safeYAML(b.Bytes()), err
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, text []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return usage(err, "")
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(draft.Name())
	_, err = draft.Write(text)
	if err := errors.Join(err, draft.Chmod(0o644), draft.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(draft.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// export reads what the cluster has.
func export(ctx context.Context, c *client.Client) (*declare.Document, error) {
	var d declare.Document
	answer, err := c.Do(ctx, client.Request{Method: http.MethodGet, Path: iamPath + "export"})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(answer.Body, &d); err != nil {
		return nil, fmt.Errorf("decode the answer of %s: %w", answer.Address, err)
	}
	if d.Version != declare.Version {
		return nil, fmt.Errorf("the masters' document has version %d, this program knows %d", d.Version, declare.Version)
	}
	return &d, nil
}
