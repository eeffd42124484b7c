package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// maxProviderFile bounds what is read as metadata or certificates, in bytes. Masters take less.
const maxProviderFile = 1 << 20

// providerFlags are the configuration of a provider of either type.
type providerFlags struct {
	kind                                   string
	description, issuer, baseURL, clientID string
	secretFile, metadataFile, caFile       string
	askSecret, verify                      bool
}

func (f *providerFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.description, "description", "", "a `TEXT` for people: what the button of the login page says")
	flags.StringVar(&f.baseURL, "base-url", "", "the `URL` by which browsers reach this cluster")
	flags.StringVar(&f.issuer, "issuer", "", "OpenID Connect: the `URL` of the provider, as it calls itself")
	flags.StringVar(&f.clientID, "client-id", "", "OpenID Connect: the `ID` under which the provider knows this cluster")
	flags.StringVar(&f.secretFile, "client-secret-file", "", "OpenID Connect: read the client secret from the first line of `FILE`; - is standard input")
	flags.StringVar(&f.caFile, "provider-ca-cert", "", "OpenID Connect: trust the authorities in this PEM `FILE` instead of the system's")
	flags.BoolVar(&f.verify, "verify-certificate", true, "OpenID Connect: verify the provider's certificate")
	flags.StringVar(&f.metadataFile, "metadata-file", "", "SAML: the provider's metadata, an XML `FILE`; - is standard input")
}

// The flags that a provider of one type alone has.
var (
	oidcFlags = []string{"issuer", "client-id", "client-secret-file", "provider-ca-cert", "verify-certificate", "ask-client-secret"}
	samlFlags = []string{"metadata-file"}
)

// foreign refuses flags of the other type.
func (f *providerFlags) foreign(cmd *cobra.Command, kind string) error {
	others, name := samlFlags, "an OpenID Connect"
	if kind == client.SAML {
		others, name = oidcFlags, "a SAML"
	}
	for _, flag := range others {
		if cmd.Flags().Changed(flag) {
			return usage(fmt.Errorf("%s provider has no --%s", name, flag), "")
		}
	}
	return nil
}

// oidc is what the flags say of an OpenID Connect provider.
func (f *providerFlags) oidc(cmd *cobra.Command, a *app) (client.OIDCProvider, error) {
	p := client.OIDCProvider{Description: f.description, Issuer: f.issuer, BaseURL: f.baseURL, ClientID: f.clientID}
	if cmd.Flags().Changed("verify-certificate") {
		p.VerifyServerCertificate = &f.verify
	}
	var errCA, errSecret error
	if f.caFile != "" {
		p.CACerts, errCA = a.readProviderFile("provider-ca-cert", f.caFile)
	}
	if f.secretFile != "" {
		p.ClientSecret, errSecret = a.secretLine("client-secret-file", "the client secret", f.secretFile)
	}
	return p, all(errCA, errSecret)
}

// saml is what the flags say of a SAML provider.
func (f *providerFlags) saml(a *app) (p client.SAMLProvider, err error) {
	p = client.SAMLProvider{Description: f.description, BaseURL: f.baseURL}
	if f.metadataFile != "" {
		p.Metadata, err = a.readProviderFile("metadata-file", f.metadataFile)
	}
	return p, err
}

// readProviderFile reads a text that is no secret; masters say whether it is a good one.
func (a *app) readProviderFile(flag, name string) (string, error) {
	content, err := a.readValueFile(name)
	switch {
	case err != nil:
		return "", usage(fmt.Errorf("--%s: %w", flag, err), "")
	case len(content) == 0 || len(content) > maxProviderFile:
		return "", usage(fmt.Errorf("--%s: %s is empty, or longer than %d bytes", flag, name, maxProviderFile), "")
	}
	return string(content), nil
}

// secretLine reads a secret from the first line of a file.
func (a *app) secretLine(flag, what, name string) (string, error) {
	if name == "-" {
		return a.firstLineOf(a.env.Stdin, what, "standard input")
	}
	a.warnIfOpen(name)
	f, err := os.Open(name)
	if err != nil {
		return "", usage(fmt.Errorf("--%s: %w", flag, err), "")
	}
	defer f.Close()
	return a.firstLineOf(f, what, name)
}

func (a *app) askClientSecret(ctx context.Context, id string) (string, error) {
	return a.askHidden(ctx, "client secret", "Client secret of "+safe(id)+": ", "use --client-secret-file FILE")
}

func (a *app) providerAddCommand() *cobra.Command {
	var f providerFlags
	cmd := a.verb("add ID", "Add an identity provider",
		"  gatehouse provider add company --type oidc --description 'Company login' --issuer https://idp.example --base-url https://cluster.example --client-id gatehouse --client-secret-file secret.txt\n"+
			"  gatehouse provider add adfs --type saml --description ADFS --base-url https://cluster.example --metadata-file adfs.xml", OneArg,
		func(cmd *cobra.Command, args []string) error {
			switch f.kind {
			case client.OIDC:
				return a.addOIDC(cmd, args, &f)
			case client.SAML:
				return a.addSAML(cmd, args, &f)
			}
			return usage(errors.New("--type: want oidc or saml"), "")
		})
	cmd.Long = "Adds an OpenID Connect provider, whose client secret is asked for unless a file has it, or a SAML provider, of which\n" +
		"its metadata say everything. gatehouse provider show says what the provider has to be told of this cluster, and\n" +
		"gatehouse provider test whether it can be reached. The id cannot be changed later."
	f.add(cmd)
	cmd.Flags().StringVar(&f.kind, "type", "", "`TYPE` is oidc (OpenID Connect) or saml (SAML 2.0)")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{client.OIDC, client.SAML}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) addOIDC(cmd *cobra.Command, args []string, f *providerFlags) error {
	p, err := f.oidc(cmd, a)
	if err := all(f.foreign(cmd, client.OIDC), missing("issuer", p.Issuer), missing("base-url", p.BaseURL), missing("client-id", p.ClientID), err); err != nil {
		return err
	}
	if p.ClientSecret == "" {
		if p.ClientSecret, err = a.askClientSecret(cmd.Context(), args[0]); err != nil {
			return err
		}
	}
	return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
		return added(args[0]), settle(c.CreateOIDCProvider(ctx, args[0], p), "gatehouse provider show "+quote(args[0]))
	})(cmd, args)
}

func (a *app) addSAML(cmd *cobra.Command, args []string, f *providerFlags) error {
	p, err := f.saml(a)
	if err := all(f.foreign(cmd, client.SAML), missing("base-url", p.BaseURL), missing("metadata-file", f.metadataFile), err); err != nil {
		return err
	}
	return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
		return added(args[0]), settle(c.CreateSAMLProvider(ctx, args[0], p), "gatehouse provider show "+quote(args[0]))
	})(cmd, args)
}

// missing refuses a flag without a value.
func missing(flag, value string) error {
	if value == "" {
		return usage(fmt.Errorf("--%s is missing", flag), "")
	}
	return nil
}

func added(id string) view {
	return sentence(result{Result: "added", ID: id}, "Added the provider %[1]s. What it has to be told of this cluster: gatehouse provider show %[1]s", id)
}

// changes refuses a command line that would change nothing: masters keep what they are sent empty.
func changes(cmd *cobra.Command) error {
	named := false
	for _, name := range slices.Concat(oidcFlags, samlFlags, []string{"description", "base-url"}) {
		f := cmd.Flags().Lookup(name)
		if f.Changed && f.Value.String() == "" {
			return usage(fmt.Errorf("--%s is empty", name), "to do without it, remove the provider and add it anew")
		}
		named = named || f.Changed
	}
	if !named {
		return usage(errors.New("nothing to change"), "see "+cmd.CommandPath()+" --help")
	}
	return nil
}

func (a *app) providerSetCommand() *cobra.Command {
	var f providerFlags
	cmd := a.verb("set ID", "Change what flags name of a provider", "  gatehouse provider set company --description 'Company login'\n"+
		"  gatehouse provider set company --client-secret-file secret.txt\n  gatehouse provider set adfs --metadata-file adfs.xml", OneArg,
		func(cmd *cobra.Command, args []string) error {
			if err := changes(cmd); err != nil {
				return err
			}
			o, errOIDC := f.oidc(cmd, a)
			s, errSAML := f.saml(a)
			if err := all(errOIDC, errSAML); err != nil {
				return err
			}
			if f.askSecret {
				var err error
				if o.ClientSecret, err = a.askClientSecret(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				p, err := providerNamed(ctx, c, args[0])
				if err := all(err, f.foreign(cmd, p.Type)); err != nil {
					return view{}, err
				}
				if p.Type == client.SAML {
					err = c.UpdateSAMLProvider(ctx, p.ID, s)
				} else {
					err = c.UpdateOIDCProvider(ctx, p.ID, o)
				}
				return sentence(result{Result: "updated", ID: p.ID}, "Updated the provider %s.", p.ID), settle(err, "gatehouse provider show "+quote(p.ID))
			})(cmd, args)
		})
	cmd.Long = "Changes what is named; everything else stays as it is, the client secret among it. Logins that are under way have to\nbegin anew."
	f.add(cmd)
	cmd.Flags().BoolVar(&f.askSecret, "ask-client-secret", false, "OpenID Connect: ask for a new client secret")
	cmd.ValidArgsFunction = a.completeProviders
	return cmd
}
