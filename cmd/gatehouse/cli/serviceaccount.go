package cli

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) serviceAccountCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "service-account", Short: "Service accounts: list, show, create, delete",
		Long:    "Service accounts log in with a key instead of a password. Their tokens end by gatehouse user revoke-tokens.",
		Example: "  gatehouse service-account create deployer --secret-file deployer.json",
	})
	show := a.verb("show UID", "Show a service account, its groups and permissions", "  gatehouse service-account show deployer\n  gatehouse service-account show deployer --output json",
		OneArg, a.asking(loggedIn, a.userShow))
	show.ValidArgsFunction = a.completeUIDs
	cmd.AddCommand(
		a.verb("list", "List the service accounts", "  gatehouse service-account list", NoArgs, a.asking(loggedIn, a.serviceList)),
		show, a.serviceCreateCommand(), a.deleteCommand("service account", "backup"))
	return a.common(cmd)
}

func (a *app) serviceList(ctx context.Context, c *client.Client, _ []string) (view, error) {
	accounts, err := c.ServiceAccounts(ctx)
	sortUsers(accounts)
	t := &table{columns: []column{{head: "UID"}, {head: "PUBLIC KEY"}, {head: "DESCRIPTION", soft: true}}}
	for _, u := range accounts {
		t.add(u.UID, fingerprint(u.PublicKey), u.Description)
	}
	return view{listOf(accounts), t.render}, err
}

// fingerprint names a public key shortly, by the SHA-256 of its SubjectPublicKeyInfo as OpenSSH writes such things.
func fingerprint(publicPEM string) string {
	block, _ := pem.Decode([]byte(publicPEM))
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// newService is the service account that is made.
type newService struct {
	uid, description, publicKey, secretFile, endpoint string
}

func (a *app) serviceCreateCommand() *cobra.Command {
	var s newService
	cmd := a.verb("create UID", "Create a service account, and its key", "  gatehouse service-account create deployer --secret-file deployer.json\n"+
		"  gatehouse service-account create backup --login-endpoint https://master.mesos/acs/api/v1/auth/login >backup.json\n"+
		"  gatehouse service-account create monitor --public-key monitor.pub --description 'Reads the metrics'",
		OneArg, func(cmd *cobra.Command, args []string) error {
			s.uid = args[0]
			return a.serviceCreate(cmd, s)
		})
	cmd.Long = "Creates a service account. Without --public-key it makes a key pair and prints the login secret: the\n" +
		"JSON with uid, private_key, login_endpoint and scheme that SDKs of DC/OS read. It is the only copy of\n" +
		"the private key. --secret-file puts it into a new file of mode 0600 instead."
	cmd.Flags().StringVar(&s.description, "description", "", "a `TEXT` for people")
	cmd.Flags().StringVar(&s.publicKey, "public-key", "", "use the public key (PEM) in `FILE` instead of making a pair")
	cmd.Flags().StringVar(&s.secretFile, "secret-file", "", "put the login secret into this new `FILE`, mode 0600")
	cmd.Flags().StringVar(&s.endpoint, "login-endpoint", "", "full `URL` of the login in the secret (default: that of the cluster you are logged in to)")
	return cmd
}

func (a *app) serviceCreate(cmd *cobra.Command, s newService) error {
	if s.publicKey != "" {
		return a.serviceFromKey(cmd, s)
	}
	t, err := a.find(false)
	if err != nil {
		return err
	}
	if t.token == "" && t.serviceKey == "" {
		return t.notLoggedIn()
	}
	secret, publicPEM, err := s.makeSecret(t)
	if err != nil {
		return err
	}
	create := func() error {
		return a.with(cmd.Context(), t, loggedIn, func(c *client.Client) error { return s.create(cmd.Context(), c, publicPEM) })
	}
	if s.secretFile != "" {
		return a.serviceToFile(s, secret, publicPEM, create)
	}
	if err := create(); err != nil {
		return err
	}
	return a.showSecret(secret)
}

// serviceToFile writes the secret first: an account whose key is lost is of no use.
func (a *app) serviceToFile(s newService, secret client.LoginSecret, publicPEM string, create func() error) error {
	text, err := secret.JSON()
	if err != nil {
		return err
	}
	if err := writeNew(s.secretFile, text); err != nil {
		return usage(fmt.Errorf("--secret-file: %w", err), "")
	}
	if err := create(); err != nil {
		return s.unmade(err)
	}
	return a.show(sentence(serviceMade{"created", s.uid, s.secretFile, fingerprint(publicPEM)},
		"Created service account %s. Its login secret is in %s.", s.uid, s.secretFile))
}

// serviceMade is what programs are shown of a service account whose secret they do not see.
type serviceMade struct {
	Result     string `json:"result"`
	UID        string `json:"uid"`
	SecretFile string `json:"secret_file,omitempty"`
	PublicKey  string `json:"public_key_fingerprint"`
}

// makeSecret makes a key pair.
func (s newService) makeSecret(t *target) (client.LoginSecret, string, error) {
	endpoint := s.endpoint
	if endpoint == "" {
		var err error
		if endpoint, err = client.LoginURL(t.urls[0]); err != nil {
			return client.LoginSecret{}, "", usage(err, "use --login-endpoint URL")
		}
	}
	key, publicPEM, err := client.NewServiceKey()
	if err != nil {
		return client.LoginSecret{}, "", err
	}
	secret, err := client.NewLoginSecret(s.uid, key, endpoint)
	if err != nil {
		return secret, "", usage(fmt.Errorf("make a login secret: %w", err), "")
	}
	return secret, publicPEM, nil
}

func (s newService) create(ctx context.Context, c *client.Client, publicPEM string) error {
	err := c.CreateUser(ctx, client.NewUser{UID: s.uid, Description: s.description, PublicKey: publicPEM})
	look := "gatehouse service-account show " + quote(s.uid)
	if s.publicKey == "" && s.secretFile == "" {
		look += "\nIf it was created, its key is lost: delete it and create it again"
	}
	return settle(err, look)
}

// unmade removes the secret of an account that does not exist. One that may exist keeps it.
func (s newService) unmade(err error) error {
	var f *failure
	if errors.As(err, &f) && f.status == StatusUnknown {
		return fail(StatusUnknown, f.err, f.advice+"\nIf it was created, its login secret is in "+s.secretFile)
	}
	_ = os.Remove(s.secretFile)
	return err
}

// showSecret prints the secret in the form that SDKs read, also where a table was asked for.
func (a *app) showSecret(secret client.LoginSecret) error {
	if a.output == "yaml" {
		return a.show(view{data: secret})
	}
	text, err := secret.JSON()
	if err != nil {
		return err
	}
	return write(a.env.Stdout, text)
}

// serviceFromKey creates an account whose private key somebody else has.
func (a *app) serviceFromKey(cmd *cobra.Command, s newService) error {
	if s.secretFile != "" || s.endpoint != "" {
		return usage(errors.New("--public-key makes no secret: leave --secret-file and --login-endpoint away"), "")
	}
	publicPEM, err := readPublicKey(s.publicKey)
	if err != nil {
		return usage(fmt.Errorf("--public-key: %w", err), "")
	}
	return a.asking(loggedIn, func(ctx context.Context, c *client.Client, _ []string) (view, error) {
		return sentence(serviceMade{"created", s.uid, "", fingerprint(publicPEM)}, "Created service account %s.", s.uid), s.create(ctx, c, publicPEM)
	})(cmd, nil)
}

// readPublicKey refuses at least what is obviously no public key, above all a private one: it would be sent away.
func readPublicKey(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(data)
	switch {
	case block == nil:
		return "", fmt.Errorf("%s holds no key in PEM form", path)
	case strings.Contains(block.Type, "PRIVATE"):
		return "", fmt.Errorf("%s holds a private key, which nobody else needs; make the public one with: openssl pkey -in %s -pubout", path, path)
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return "", fmt.Errorf("%s: want a PEM block PUBLIC KEY: %w", path, err)
	}
	return string(pem.EncodeToMemory(block)), nil
}

// writeNew writes a file that only its owner can read. It replaces none: an overwritten key is a lost account.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; it is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
		return err
	}
	return nil
}
