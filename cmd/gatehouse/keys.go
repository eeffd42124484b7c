package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Rotate the keys that sign tokens",
		Long: "Rotates the keys that sign tokens: prepare publishes a new key, activate signs with it,\n" +
			"retire drops the old one after its last token has expired. Verifiers that go by the\n" +
			"key id see no failure. Needs a superuser's token in GATEHOUSE_TOKEN.",
		Example: "  gatehouse keys list\n  gatehouse keys prepare && gatehouse keys activate KID\n  gatehouse keys retire OLD-KID",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var base string
	addURLFlag(cmd.PersistentFlags(), &base)
	cmd.AddCommand(p.keysList(&base), p.keysPrepare(&base), p.keysActivate(&base), p.keysRetire(&base))
	return cmd
}

func (p *program) keysList(base *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys, the one that signs first", Example: "  gatehouse keys list --url https://cluster.example", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.callAPI(cmd, http.MethodGet, *base, "/gatehouse/v1/keys", nil)
		},
	}
}

func (p *program) keysPrepare(base *string) *cobra.Command {
	return &cobra.Command{
		Use: "prepare", Short: "Make a key and publish it, without signing with it yet", Example: "  gatehouse keys prepare", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.callAPI(cmd, http.MethodPost, *base, "/gatehouse/v1/keys", nil)
		},
	}
}

func (p *program) keysActivate(base *string) *cobra.Command {
	return &cobra.Command{
		Use: "activate KID", Short: "Sign with a prepared key from now on",
		Long:    "Signs with a prepared key from now on. Verifiers that read the keys only when they start,\nas the Admin Router of DC/OS does, must be restarted: they know the key of their start.",
		Example: "  gatehouse keys activate 3f0a…", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.callAPI(cmd, http.MethodPost, *base, "/gatehouse/v1/keys/"+url.PathEscape(args[0])+"/activate", nil)
		},
	}
}

func (p *program) keysRetire(base *string) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "retire KID", Short: "Drop a key whose last token has expired",
		Example: "  gatehouse keys retire 3f0a…\n  gatehouse keys retire --force 3f0a…", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var body any
			if force {
				body = map[string]bool{"force": true}
			}
			return p.callAPI(cmd, http.MethodPost, *base, "/gatehouse/v1/keys/"+url.PathEscape(args[0])+"/retire", body)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "though tokens that it signed may be alive: they are refused from then on")
	return cmd
}

// apiTimeout is longer than a master ever takes to answer.
const apiTimeout = 40 * time.Second

// callAPI calls one master as the superuser whose token is in GATEHOUSE_TOKEN and prints
// what it answers.
func (p *program) callAPI(cmd *cobra.Command, method, base, path string, body any) error {
	if p.env["GATEHOUSE_TOKEN"] == "" {
		return usageError{fmt.Errorf("put a superuser's token into GATEHOUSE_TOKEN (see %s --help)", cmd.CommandPath())}
	}
	request, err := jsonRequest(cmd, method, p.baseURL(base)+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "token="+p.env["GATEHOUSE_TOKEN"])
	answer, err := do(&http.Client{Timeout: apiTimeout}, request)
	if err != nil {
		return err
	}
	if answer = bytes.TrimSpace(answer); len(answer) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", answer)
	}
	return nil
}

func jsonRequest(cmd *cobra.Command, method, url string, body any) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(cmd.Context(), method, url, reader)
	if err != nil {
		return nil, usageError{err}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// do sends the request; every answer but a 2xx is an error that says what the master said.
func do(client *http.Client, request *http.Request) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the master: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode/100 == 2 {
		return answer, nil
	}
	var problem struct{ Description, Code string }
	if json.Unmarshal(answer, &problem) != nil || problem.Description == "" {
		return nil, fmt.Errorf("the master answered %s", response.Status)
	}
	return nil, fmt.Errorf("the master answered %s: %s", response.Status, strings.TrimSpace(problem.Code+" "+problem.Description))
}
