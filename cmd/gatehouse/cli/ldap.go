package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) ldapCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "ldap", Short: "The LDAP directory: config, test, import-user, import-group, sync",
		Long: "A cluster can ask the directory of the company who people are: they log in with the password that they have there.\n" +
			"All of this needs a superuser.",
		Example: "  gatehouse ldap config set --file ldap.yaml\n  gatehouse ldap test alice",
	})
	cmd.AddCommand(a.ldapConfigCommand(), a.ldapTestCommand(), a.ldapImportUserCommand(), a.ldapImportGroupCommand(), a.ldapSyncCommand())
	return a.common(cmd)
}

func (a *app) ldapConfigCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "config", Short: "How the directory is asked: show, set, remove", SuggestFor: []string{"configure", "configuration", "setup"},
		Example: "  gatehouse ldap config show",
	})
	cmd.AddCommand(a.ldapConfigShowCommand(), a.ldapConfigSetCommand(), a.ldapConfigRemoveCommand())
	return cmd
}

// ldapDocument is the configuration of a directory as files and the API have it (contract 4.1). Secrets are shown on request alone.
type ldapDocument struct {
	Host            string           `json:"host" yaml:"host"`
	Port            int              `json:"port" yaml:"port"`
	UseLDAPS        *bool            `json:"use-ldaps" yaml:"use-ldaps"`
	EnforceStartTLS *bool            `json:"enforce-starttls" yaml:"enforce-starttls"`
	DNTemplate      string           `json:"dntemplate,omitempty" yaml:"dntemplate"`
	UserSearch      *ldapSearch      `json:"user-search,omitempty" yaml:"user-search"`
	LookupDN        string           `json:"lookup-dn,omitempty" yaml:"lookup-dn"`
	LookupPassword  string           `json:"lookup-password,omitempty" yaml:"lookup-password"`
	GroupSearch     *ldapGroupSearch `json:"group-search,omitempty" yaml:"group-search"`
	CACerts         string           `json:"ca-certs,omitempty" yaml:"ca-certs"`
	ClientCert      string           `json:"client-cert,omitempty" yaml:"client-cert"`
}

type ldapSearch struct {
	Base   string `json:"search-base" yaml:"search-base"`
	Filter string `json:"search-filter-template" yaml:"search-filter-template"`
}

type ldapGroupSearch struct {
	Base             string   `json:"search-base" yaml:"search-base"`
	Filter           string   `json:"search-filter-template" yaml:"search-filter-template"`
	MemberAttributes []string `json:"member-attributes,omitempty" yaml:"member-attributes"`
}

// directory is the document for the API. Like there, how the connection is protected has to be said: nobody is to send passwords in
// clear because a line was forgotten.
func (d *ldapDocument) directory() (client.Directory, error) {
	if d.UseLDAPS == nil || d.EnforceStartTLS == nil {
		return client.Directory{}, usage(errors.New("use-ldaps and enforce-starttls: want true or false for both"),
			"ldaps on port 636: use-ldaps: true; StartTLS on port 389: enforce-starttls: true; with neither, passwords may cross the network in clear")
	}
	return client.Directory{Host: d.Host, Port: d.Port, LDAPS: *d.UseLDAPS, EnforceStartTLS: *d.EnforceStartTLS, DNTemplate: d.DNTemplate,
		UserSearch: (*client.DirectorySearch)(d.UserSearch), GroupSearch: (*client.DirectoryGroupSearch)(d.GroupSearch),
		LookupDN: d.LookupDN, LookupPassword: d.LookupPassword, CACerts: d.CACerts, ClientCert: d.ClientCert}, nil
}

func ldapDocumentOf(d client.Directory) *ldapDocument {
	return &ldapDocument{Host: d.Host, Port: d.Port, UseLDAPS: &d.LDAPS, EnforceStartTLS: &d.EnforceStartTLS, DNTemplate: d.DNTemplate,
		UserSearch: (*ldapSearch)(d.UserSearch), GroupSearch: (*ldapGroupSearch)(d.GroupSearch),
		LookupDN: d.LookupDN, LookupPassword: d.LookupPassword, CACerts: d.CACerts, ClientCert: d.ClientCert}
}

func (a *app) ldapConfigShowCommand() *cobra.Command {
	var secrets bool
	cmd := a.verb("show", "Show how the directory is asked", "  gatehouse ldap config show\n  gatehouse ldap config show --secrets --output yaml >ldap.yaml", NoArgs,
		a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
			d, err := c.Directory(ctx)
			if err != nil {
				return view{}, err
			}
			return showDirectory(ldapDocumentOf(d), secrets), nil
		}))
	cmd.Long = "Shows how the directory is asked. With --secrets, --output yaml writes what gatehouse ldap config set reads."
	cmd.Flags().BoolVar(&secrets, "secrets", false, "show the lookup password and the client's private key, too")
	return cmd
}

func showDirectory(d *ldapDocument, secrets bool) view {
	password, cert := "", ""
	if d.LookupPassword != "" {
		password = "not shown (--secrets)"
	}
	if d.ClientCert != "" {
		cert = "configured"
	}
	if secrets {
		password = d.LookupPassword
	} else {
		d.LookupPassword, d.ClientCert = "", ""
	}
	pairs := []pair{{"host", d.Host}, {"port", strconv.Itoa(d.Port)}, {"encryption", ldapEncryption(d)}, {"certificate", ldapTrust(d)}, {"dn of users", d.DNTemplate}}
	if s := d.UserSearch; s != nil {
		pairs = append(pairs, pair{"users", s.Filter + " below " + s.Base})
	}
	if g := d.GroupSearch; g != nil {
		pairs = append(pairs, pair{"groups", g.Filter + " below " + g.Base}, pair{"members", strings.Join(g.MemberAttributes, ", ")})
	}
	return details(d, append(pairs, pair{"searched by", first(d.LookupDN, "anybody (anonymously)")}, pair{"lookup password", password}, pair{"client certificate", cert})...)
}

// ldapEncryption says how the connection is protected, for people.
func ldapEncryption(d *ldapDocument) string {
	switch {
	case *d.UseLDAPS:
		return "LDAPS"
	case *d.EnforceStartTLS:
		return "StartTLS"
	}
	return "StartTLS if the directory has it, otherwise none"
}

func ldapTrust(d *ldapDocument) string {
	if d.CACerts == "" {
		return "not verified: there are no ca-certs"
	}
	return "verified by the authorities that are configured"
}

func (a *app) ldapConfigRemoveCommand() *cobra.Command {
	cmd := a.verb("remove", "Forget the directory; its users stay and cannot log in", "  gatehouse ldap config remove --yes", NoArgs,
		func(cmd *cobra.Command, args []string) error {
			if err := a.confirm(cmd.Context(), "Forget how the directory is asked? Its users cannot log in any more."); err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				return sentence(result{Result: "removed"}, "The directory is not asked any more."), settle(c.DeleteDirectory(ctx), "gatehouse ldap config show")
			})(cmd, args)
		})
	a.addYes(cmd)
	return cmd
}

func (a *app) ldapTestCommand() *cobra.Command {
	var password passwordFlags
	cmd := a.verb("test UID", "Try a login at the directory, without any consequence here", "  gatehouse ldap test alice\n  gatehouse ldap test alice --password-file password.txt",
		OneArg, func(cmd *cobra.Command, args []string) error {
			secret, err := a.passwordOf(cmd, &password, args[0])
			if err != nil {
				return err
			}
			var t client.DirectoryTest
			err = a.asking(loggedIn, func(ctx context.Context, c *client.Client, args []string) (view, error) {
				t, err = c.TestDirectory(ctx, args[0], secret)
				return sentence(t, "%s", first(t.Description, t.Code)), err
			})(cmd, args)
			switch {
			case err != nil, t.OK():
				return err
			case t.Reached:
				return fail(StatusFailed, errors.New("the directory does not let this user in"),
					"a DN in the answer says who was refused: the user, or lookup-dn (gatehouse ldap config show)")
			}
			return fail(StatusFailed, errors.New("the directory could not be asked"), "how it is asked: gatehouse ldap config show; the masters' logs say more")
		})
	cmd.Long = "Lets a master log a user in to the directory, as it is configured, and says what came of it. The exit status is 0\n" +
		"only when the directory knows the user by this password."
	password.add(cmd.Flags(), "", "the password")
	return cmd
}

// passwordOf is the password of a user that flags name, or that is asked for.
func (a *app) passwordOf(cmd *cobra.Command, flags *passwordFlags, uid string) (string, error) {
	if flags.given(cmd.Flags(), "") > 0 {
		return flags.read(a, cmd.Flags(), "")
	}
	return a.askPassword(cmd.Context(), fmt.Sprintf("Password of %s in the directory: ", safe(uid)), "use --password-file FILE or --password-stdin")
}
