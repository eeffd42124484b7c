package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func (p *program) clusterKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster-keys",
		Short: "Change the key that all masters share",
		Long: "Changes the cluster key: list says which master has which keys of the key file, activate\n" +
			"makes one of them the key that seals. It is refused until every master has confirmed that\n" +
			"it has the key. Needs a superuser's token in GATEHOUSE_TOKEN. Keys are put into the file\n" +
			"and taken out of it by gatehouse keygen.",
		Example: "  gatehouse cluster-keys list\n  gatehouse cluster-keys activate 3f0a5c71d2e94b68",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var base string
	addURLFlag(cmd.PersistentFlags(), &base)
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "List the keys, the one that seals first, and who has them", Example: "  gatehouse cluster-keys list", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.callAPI(cmd, http.MethodGet, base, "/gatehouse/v1/cluster-keys", nil)
		},
	}, &cobra.Command{
		Use: "activate ID", Short: "Seal with a key that every master has", Example: "  gatehouse cluster-keys activate 3f0a5c71d2e94b68", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.callAPI(cmd, http.MethodPost, base, "/gatehouse/v1/cluster-keys/"+url.PathEscape(args[0])+"/activate", nil)
		},
	})
	return cmd
}
