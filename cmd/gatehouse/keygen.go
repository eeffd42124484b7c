package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/keyring"
)

func (p *program) keygenCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make the key file that all masters of a cluster share",
		Long: "Makes a cluster key file and prints the id of its key. Copy the file to every master,\n" +
			"readable by the daemon alone: whoever has it can read and change everything. An\n" +
			"existing file is never overwritten.",
		Example: "  gatehouse keygen -o /etc/gatehouse/cluster.key",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := makeKeyFile(output)
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s, key id %s\n", output, ring.PrimaryID())
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "cluster.key", "file to write, mode 0600")
	return cmd
}

// makeKeyFile writes a new cluster key of one random key; it fails when the file exists.
func makeKeyFile(path string) (*keyring.Ring, error) {
	ring, err := keyring.Generate()
	if err != nil {
		return nil, fmt.Errorf("generate cluster key: %w", err)
	}
	return ring, ring.Create(path)
}
