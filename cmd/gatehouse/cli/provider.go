package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) providerCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "provider", Short: "Identity providers (OpenID Connect, SAML): list, show, add, set, remove, test",
		Long: "Identity providers are the servers of the company where people log in once for everything. Whoever configures one\n" +
			"decides who logs in as whom, so all but the list needs a superuser.",
		Example: "  gatehouse provider list\n  gatehouse provider test adfs",
	})
	cmd.AddCommand(
		a.verb("list", "List the identity providers", "  gatehouse provider list\n  gatehouse provider list --output json", NoArgs, a.asking(open, a.providerList)),
		a.providerShowCommand(), a.providerAddCommand(), a.providerSetCommand(), a.providerRemoveCommand(), a.providerTestCommand())
	return a.common(cmd)
}

func (a *app) providerList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	providers, err := c.Providers(ctx)
	t := &table{columns: []column{{head: "PROVIDER"}, {head: "TYPE"}, {head: "DESCRIPTION", soft: true}}}
	for _, p := range providers {
		t.add(p.ID, p.Type, p.Description)
	}
	return view{listOf(providers), t.render}, err
}

// findProvider finds the provider with that id, and answers all that there are. Every master lists what it knows of by itself, and one that
// was just made is known to all of them a moment later: so what is missing is looked for again for a second.
func findProvider(ctx context.Context, c *client.Client, id string) (p client.Provider, found bool, all []client.Provider, err error) {
	for range 10 {
		if all, err = c.Providers(ctx); err != nil {
			return p, false, nil, err
		}
		if i := slices.IndexFunc(all, func(p client.Provider) bool { return p.ID == id }); i >= 0 {
			return all[i], true, all, nil
		}
		select {
		case <-ctx.Done():
			return p, false, nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return p, false, all, nil
}

// providerNamed finds out of which type a provider is.
func providerNamed(ctx context.Context, c *client.Client, id string) (client.Provider, error) {
	p, found, _, err := findProvider(ctx, c, id)
	if err == nil && !found {
		err = fail(StatusFailed, fmt.Errorf("there is no provider %s", safe(id)), "those that there are: gatehouse provider list")
	}
	return p, err
}

// shownProvider is the configuration of a provider of either type. What its type does not have is left out.
type shownProvider struct {
	client.Provider
	BaseURL  string `json:"base_url"`
	Issuer   string `json:"issuer,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	// ClientSecret is shown on request alone.
	ClientSecret            string `json:"client_secret,omitempty"`
	VerifyServerCertificate *bool  `json:"verify_server_certificate,omitempty"`
	CACerts                 string `json:"ca_certs,omitempty"`
	// RedirectURI is what an OpenID Connect provider has to be told; EntityID and ACSURL are what a SAML one has to be.
	RedirectURI string `json:"redirect_uri,omitempty"`
	EntityID    string `json:"entity_id,omitempty"`
	ACSURL      string `json:"acs_url,omitempty"`
	Metadata    string `json:"idp_metadata,omitempty"`
}

func (a *app) providerShowCommand() *cobra.Command {
	var secrets bool
	cmd := a.verb("show ID", "Show how a provider is configured, and what it has to be told", "  gatehouse provider show company", OneArg,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
			p, err := providerNamed(ctx, c, args[0])
			if err != nil {
				return view{}, err
			}
			if p.Type == client.SAML {
				return showSAML(ctx, c, p)
			}
			return showOIDC(ctx, c, p, secrets)
		}))
	cmd.Flags().BoolVar(&secrets, "secrets", false, "show the client secret, too")
	cmd.ValidArgsFunction = a.completeProviders
	return cmd
}

func showOIDC(ctx context.Context, c *client.Client, p client.Provider, secrets bool) (view, error) {
	o, err := c.OIDCProvider(ctx, p.ID)
	if err != nil {
		return view{}, err
	}
	s := shownProvider{Provider: p, BaseURL: o.BaseURL, Issuer: o.Issuer, ClientID: o.ClientID, VerifyServerCertificate: o.VerifyServerCertificate,
		CACerts: o.CACerts, RedirectURI: below(o.BaseURL, "/acs/api/v1/auth/oidc/callback")}
	secret := "not shown (--secrets)"
	if secrets {
		s.ClientSecret, secret = o.ClientSecret, o.ClientSecret
	}
	return details(s, pair{"id", p.ID}, pair{"type", "OpenID Connect"}, pair{"description", p.Description}, pair{"issuer", o.Issuer},
		pair{"client id", o.ClientID}, pair{"client secret", secret}, pair{"certificate", trust(o)}, pair{"base url", o.BaseURL},
		pair{"redirect uri", s.RedirectURI}), nil
}

// trust says which certificates of a provider are accepted, for people.
func trust(o client.OIDCProvider) string {
	switch {
	case o.VerifyServerCertificate != nil && !*o.VerifyServerCertificate:
		return "not verified"
	case o.CACerts != "":
		return "verified by the authorities that are configured"
	}
	return "verified by the authorities of the system"
}

func showSAML(ctx context.Context, c *client.Client, p client.Provider) (view, error) {
	o, err := c.SAMLProvider(ctx, p.ID)
	if err != nil {
		return view{}, err
	}
	at := below(o.BaseURL, "/acs/api/v1/auth/saml/providers/"+p.ID)
	s := shownProvider{Provider: p, BaseURL: o.BaseURL, EntityID: at + "/sp-metadata", ACSURL: at + "/acs-callback", Metadata: o.Metadata}
	return details(s, pair{"id", p.ID}, pair{"type", "SAML 2.0"}, pair{"description", p.Description},
		pair{"metadata", fmt.Sprintf("%d bytes", len(o.Metadata))}, pair{"base url", o.BaseURL}, pair{"entity id", s.EntityID}, pair{"acs url", s.ACSURL}), nil
}

// below joins a base URL, which may end in a slash, and a path.
func below(base, path string) string { return strings.TrimSuffix(base, "/") + path }

func (a *app) providerRemoveCommand() *cobra.Command {
	cmd := a.verb("remove ID", "Remove a provider; its users stay and cannot log in", "  gatehouse provider remove --yes old", OneArg,
		func(cmd *cobra.Command, args []string) error {
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Remove the provider %s? Whoever logs in through it cannot any more.", safe(args[0]))); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				p, err := providerNamed(ctx, c, args[0])
				if err != nil {
					return view{}, err
				}
				err = settle(c.DeleteProvider(ctx, p.Type, p.ID), "gatehouse provider list")
				return sentence(result{Result: "removed", ID: p.ID}, "Removed the provider %s.", p.ID), err
			})(cmd, args)
		})
	a.addYes(cmd)
	cmd.ValidArgsFunction = a.completeProviders
	return cmd
}

func (a *app) providerTestCommand() *cobra.Command {
	cmd := a.verb("test ID", "Let a master ask a provider for what a login needs", "  gatehouse provider test adfs", OneArg,
		func(cmd *cobra.Command, args []string) error {
			passed := false
			err := a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				t, err := c.TestProvider(ctx, args[0])
				passed = t.OK
				return providerChecks(t), err
			})(cmd, args)
			if err == nil && !passed {
				return fail(StatusFailed, errors.New("logins through this provider will fail"), "")
			}
			return err
		})
	cmd.Long = "Lets a master ask an OpenID Connect provider for its configuration and keys, or look at the metadata of a SAML\n" +
		"provider. The exit status is 0 only when all is as it should be."
	cmd.ValidArgsFunction = a.completeProviders
	return cmd
}

func providerChecks(t client.ProviderTest) view {
	checks := &table{columns: []column{{head: "CHECK"}, {head: "OK"}, {head: "DETAIL", soft: true}}}
	for _, c := range t.Checks {
		checks.add(c.Name, yesNo(c.OK), c.Detail)
	}
	return view{t, checks.render}
}

func (a *app) completeProviders(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return only(a.completing(func(ctx context.Context, c *client.Client) (found []string, err error) {
		providers, err := c.Providers(ctx)
		for _, p := range providers {
			found = append(found, described(p.ID, first(p.Description, p.Type)))
		}
		return found, err
	}))(cmd, args, typed)
}
