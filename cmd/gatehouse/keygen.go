package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/cli"
	"gatehouse/keyring"
)

func (p *program) keygenCommand() *cobra.Command {
	var k keygen
	cmd := &cobra.Command{
		Use:   "keygen [-o FILE | --add FILE | --drop ID FILE]",
		Short: "Make or change the key file that all masters of a cluster share",
		Long: "Makes a cluster key file and prints the id of its key. Copy the file to every master,\n" +
			"readable by the daemon alone: whoever has it can read and change everything. An\n" +
			"existing file is never overwritten.\n\n" +
			"--add puts a second key into a file, to be used when it is activated (see gatehouse\n" +
			"cluster-keys); --drop takes one out. Masters read the file when they start.",
		Example: "  gatehouse keygen -o /etc/gatehouse/cluster.key\n" +
			"  gatehouse keygen --add /etc/gatehouse/cluster.key\n" +
			"  gatehouse keygen --drop 3f0a5c71d2e94b68 /etc/gatehouse/cluster.key",
		RunE: func(cmd *cobra.Command, args []string) error { return k.run(cmd, args) },
	}
	cmd.Flags().StringVarP(&k.output, "output", "o", "cluster.key", "file to write, mode 0600")
	cmd.Flags().BoolVar(&k.add, "add", false, "add a key to FILE")
	cmd.Flags().StringVar(&k.drop, "drop", "", "take the key with this id out of FILE")
	return cmd
}

// keygen is what the command line asks for.
type keygen struct {
	output string
	add    bool
	drop   string
}

func (k *keygen) run(cmd *cobra.Command, args []string) error {
	out := cmd.OutOrStdout()
	if k.add && k.drop != "" || cmd.Flags().Changed("output") && (k.add || k.drop != "") {
		return usageError{errors.New("--output, --add and --drop: want one of them")}
	}
	if !k.add && k.drop == "" {
		if err := cli.NoArgs(cmd, args); err != nil {
			return err
		}
		ring, err := makeKeyFile(k.output)
		if err == nil {
			_, err = fmt.Fprintf(out, "wrote %s, key id %s\n", k.output, ring.PrimaryID())
		}
		return err
	}
	if len(args) != 1 {
		return usageError{errors.New("--add and --drop want one key file (see gatehouse keygen --help)")}
	}
	if k.add {
		return addKey(out, args[0])
	}
	return dropKey(out, cmd.ErrOrStderr(), args[0], k.drop)
}

// makeKeyFile writes a new cluster key of one random key; it fails when the file exists.
func makeKeyFile(path string) (*keyring.Ring, error) {
	ring, err := keyring.Generate()
	if err != nil {
		return nil, fmt.Errorf("generate cluster key: %w", err)
	}
	return ring, ring.Create(path)
}

// addKey puts a new key behind those that the file has.
func addKey(out io.Writer, path string) error {
	ring, err := keyring.Load(path)
	if err != nil {
		return err
	}
	ring, id, err := ring.AddKey()
	if err != nil {
		return fmt.Errorf("add a key to %s: %w", path, err)
	}
	if err := ring.Replace(path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "added key id %s to %s\n"+
		"Copy the file to every master and restart them one after the other; then: gatehouse cluster-keys activate %s\n", id, path, id)
	return err
}

// dropWarning says what dropping a key too early means.
const dropWarning = "Warning: a master that still needs this key refuses to start, and says so. " +
	"Put the key file from before back then; do not touch the data directory.\n"

// dropKey takes a key out of the file. The others keep their order, which is that of their age.
func dropKey(out, warn io.Writer, path, id string) error {
	ring, err := keyring.Load(path)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(ring.KeyIDs(), func(k string) bool { return k == id })
	if len(others) == 0 {
		return fmt.Errorf("drop key %s from %s: it is the only one", id, path)
	}
	if ring, err = ring.WithPrimary(others[0]); err == nil {
		ring, err = ring.WithoutKey(id)
	}
	if err != nil {
		return fmt.Errorf("drop a key from %s: %w", path, err)
	}
	if err := ring.Replace(path); err != nil {
		return err
	}
	fmt.Fprint(warn, dropWarning)
	_, err = fmt.Fprintf(out, "dropped key id %s from %s\n", id, path)
	return err
}
