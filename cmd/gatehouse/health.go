package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (p *program) healthCommand() *cobra.Command {
	var base string
	var strict bool
	cmd := &cobra.Command{
		Use:     "health",
		Short:   "Ask a master whether it can serve, and why not",
		Long:    "Prints the health report of one master; the exit status is 0 only when it can serve.",
		Example: "  gatehouse health --url http://127.0.0.1:8101\n  gatehouse health --strict",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/gatehouse/v1/health"
			if strict {
				path += "/strict"
			}
			return p.printHealth(cmd, p.baseURL(base)+path)
		},
	}
	addURLFlag(cmd.Flags(), &base)
	cmd.Flags().BoolVar(&strict, "strict", false, "ask for a linearizable read to succeed now")
	return cmd
}

func (p *program) printHealth(cmd *cobra.Command, url string) error {
	request, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, url, nil)
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read health report: %w", err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(string(body)))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: %s", response.Status)
	}
	return nil
}

// defaultURL is the API of the master on this host.
const defaultURL = "http://127.0.0.1:8101"

func addURLFlag(flags *pflag.FlagSet, base *string) {
	flags.StringVar(base, "url", "", "address of any master or load balancer (GATEHOUSE_URL; default "+defaultURL+")")
}

// baseURL is the flag, else GATEHOUSE_URL, else the master on this host.
func (p *program) baseURL(flag string) string {
	for _, u := range []string{flag, p.env["GATEHOUSE_URL"]} {
		if u != "" {
			return strings.TrimRight(u, "/")
		}
	}
	return defaultURL
}
