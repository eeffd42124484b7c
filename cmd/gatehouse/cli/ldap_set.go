package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"gatehouse/httpapi/client"
)

// ldapFlags name the configuration of a directory and what comes from files of its own.
type ldapFlags struct {
	file, passwordFile, caFile, certFile string
	askPassword                          bool
}

func (a *app) ldapConfigSetCommand() *cobra.Command {
	var f ldapFlags
	cmd := a.verb("set", "Say how the directory is asked", "  gatehouse ldap config set --file ldap.yaml\n"+
		"  gatehouse ldap config set --file ldap.yaml --lookup-password-file password.txt --directory-ca-cert directory-ca.pem", NoArgs,
		func(cmd *cobra.Command, args []string) error {
			d, err := f.read(cmd.Context(), a)
			if err != nil {
				return err
			}
			return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
				warning, err := c.PutDirectory(ctx, d)
				err = settle(err, "gatehouse ldap config show")
				if warning != "" {
					fmt.Fprintf(a.env.Stderr, "Warning: %s\n", safe(warning))
				}
				return sentence(result{Result: "configured"}, "Configured the directory %s. Whether it can be asked: gatehouse ldap test UID", d.Host), err
			})(cmd, args)
		})
	cmd.Long = "Replaces the whole configuration by the file: YAML or JSON with the members of PUT /ldap/config, such as\n\n" +
		"  host: ldap.example\n  port: 636\n  use-ldaps: true\n  enforce-starttls: false\n  lookup-dn: cn=gatehouse,dc=example\n" +
		"  user-search: {search-base: 'ou=people,dc=example', search-filter-template: '(uid=%(username)s)'}\n" +
		"  group-search: {search-base: 'ou=groups,dc=example', search-filter-template: '(cn=%(groupname)s)'}\n\n" +
		"Passwords, certificates and keys may be in files of their own."
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "read the configuration from `FILE`: YAML or JSON; - is standard input")
	flags.StringVar(&f.passwordFile, "lookup-password-file", "", "read lookup-password from the first line of `FILE`")
	flags.BoolVar(&f.askPassword, "ask-lookup-password", false, "ask for lookup-password")
	flags.StringVar(&f.caFile, "directory-ca-cert", "", "read ca-certs, the authorities of the directory's certificate, from this PEM `FILE`")
	flags.StringVar(&f.certFile, "directory-client-cert", "", "read client-cert, a private key and its certificates, from this PEM `FILE`")
	return cmd
}

// read is the configuration that the flags name.
func (f *ldapFlags) read(ctx context.Context, a *app) (client.Directory, error) {
	if f.file == "" {
		return client.Directory{}, usage(errors.New("no file is named"), "use --file FILE; gatehouse ldap config set --help shows one")
	}
	text, err := readDeclared(f.file, a.env.Stdin)
	if err != nil {
		return client.Directory{}, usage(err, "")
	}
	d, err := parseLDAP(f.file, string(text))
	if err != nil {
		return client.Directory{}, err
	}
	if f.file != "-" && d.LookupPassword+d.ClientCert != "" {
		a.warnIfOpen(f.file)
	}
	var errPassword, errCA, errCert error
	if f.passwordFile != "" {
		d.LookupPassword, errPassword = a.secretLine("lookup-password-file", "the lookup password", f.passwordFile)
	}
	if f.caFile != "" {
		d.CACerts, errCA = a.readProviderFile("directory-ca-cert", f.caFile)
	}
	if f.certFile != "" {
		a.warnIfOpen(f.certFile)
		d.ClientCert, errCert = a.readProviderFile("directory-client-cert", f.certFile)
	}
	if err := all(errPassword, errCA, errCert); err != nil {
		return client.Directory{}, err
	}
	directory, err := d.directory()
	if err == nil && f.askPassword {
		directory.LookupPassword, err = a.askHidden(ctx, "lookup password", "Password of "+safe(d.LookupDN)+": ", "use --lookup-password-file FILE")
	}
	return directory, err
}

// parseLDAP reads one document, which is YAML, of which JSON is a part. A member that is unknown or repeated is a slip.
func parseLDAP(name, text string) (*ldapDocument, error) {
	var d ldapDocument
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(&d)
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("it is empty")
	case err != nil:
		err = yamlSlip(err)
	case !errors.Is(decoder.Decode(new(any)), io.EOF):
		err = errors.New("there is more than one document in it")
	}
	if err != nil {
		return nil, usage(fmt.Errorf("--file: %s is no configuration of a directory: %w", name, err), "gatehouse ldap config set --help shows one")
	}
	return &d, nil
}

var yamlLine = regexp.MustCompile(`^(yaml: )?(line [0-9]+)`)

// yamlSlip is what is wrong with a document that may hold passwords, without what stands in it: a parser's own error quotes that.
func yamlSlip(err error) error {
	what := "it is no YAML"
	lines := []string{err.Error()}
	if slips := (*yaml.TypeError)(nil); errors.As(err, &slips) {
		what, lines = "a member is unknown, repeated, or not of its type", slips.Errors
	}
	where := []string{}
	for _, line := range lines {
		if found := yamlLine.FindStringSubmatch(line); found != nil {
			where = append(where, found[2])
		}
	}
	if len(where) == 0 {
		return errors.New(what)
	}
	return fmt.Errorf("%s: %s", strings.Join(slices.Compact(where), ", "), what)
}
