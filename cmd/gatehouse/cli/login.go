package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// loginFlags are who logs in, and how the login is called.
type loginFlags struct {
	name, uid  string
	password   passwordFlags
	serviceKey string
	provider   string // an identity provider
	paste      bool   // its token, by hand
}

const howToLogIn = "use --password-file FILE, --password-stdin or --service-key FILE"

func (a *app) loginCommand() *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Log in to a cluster and remember it under a name",
		Long: "Logs in at any master or load balancer, stores the token in a file that only you can read, and\n" +
			"makes the cluster the current one. Asks for the password on a terminal.\n\n" +
			"A service account logs in with --service-key: its private key (with --uid), or the login secret\n" +
			"that gatehouse service-account create made. Such a login is renewed by itself as long as the\n" +
			"file stays where it is.\n\n" +
			"With --provider you log in in a browser, through an identity provider of your company: the command\n" +
			"line opens it (the program in BROWSER, or xdg-open) and waits five minutes on a port of this machine.\n" +
			"Where no browser can reach this machine, --paste asks for the token that the browser shows. The URL\n" +
			"must be the address under which the identity provider knows the cluster.",
		Example: "  gatehouse login --url https://cluster.example --uid alice\n" +
			"  gatehouse login --url https://m1.example,https://m2.example --name prod --uid alice --password-file password.txt\n" +
			"  gatehouse login --url https://cluster.example --ca-cert dcos-ca.crt --name ci --service-key deployer.json\n" +
			"  gatehouse login --url https://cluster.example --name sso --provider company\n" +
			"  gatehouse login --name prod",
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.login(cmd, &f) },
	}
	flags := cmd.Flags()
	a.target.addURLs(flags)
	flags.StringVar(&f.name, "name", "", "remember the cluster under this `NAME` (default: the host of the URL; GATEHOUSE_CLUSTER)")
	flags.StringVar(&f.uid, "uid", "", "the user or service account that logs in")
	flags.StringVar(&f.serviceKey, "service-key", "", "log in with the private key or login secret in `FILE`")
	flags.StringVar(&f.provider, "provider", "", "log in in a browser, through the identity provider with this `ID`")
	flags.BoolVar(&f.paste, "paste", false, "with --provider: ask for the token that the browser shows")
	f.password.add(flags, "", "the password")
	flags.StringVar(&f.name, "cluster", "", "the same as --name")
	_ = flags.MarkHidden("cluster")
	_ = cmd.RegisterFlagCompletionFunc("name", a.completeClusters)
	return a.shown(cmd)
}

func (a *app) login(cmd *cobra.Command, f *loginFlags) error {
	var errBoth error
	if f.serviceKey != "" && f.password.given(cmd.Flags(), "") > 0 {
		errBoth = usage(errors.New("--service-key and a password: want one of them"), "")
	}
	key, errKey := f.readKey()
	t, errTarget := a.loginTarget(f, key)
	if err := all(errBoth, f.checkProvider(cmd), errKey, errTarget); err != nil {
		return err
	}
	token, err := a.obtain(cmd, f, t, key)
	if err != nil {
		return err
	}
	if err := a.remember(t, token); err != nil {
		return err
	}
	return a.show(a.loggedIn(t, token))
}

// obtain gets the token of the login, in the way that the flags name.
func (a *app) obtain(cmd *cobra.Command, f *loginFlags, t *target, key serviceKey) (client.Token, error) {
	if f.provider != "" {
		return a.throughProvider(cmd.Context(), t, f)
	}
	credentials, err := a.credentials(cmd, f, t, key)
	if err != nil {
		return client.Token{}, err
	}
	return a.exchange(cmd.Context(), t, credentials)
}

func (f *loginFlags) readKey() (key serviceKey, err error) {
	if f.serviceKey == "" {
		return serviceKey{}, nil
	}
	if f.serviceKey, err = filepath.Abs(f.serviceKey); err != nil {
		return serviceKey{}, usage(fmt.Errorf("--service-key: %w", err), "")
	}
	return readServiceKey(f.serviceKey)
}

// loginTarget is where to log in: the URLs that are named, those under which the name is known, those of the login secret, or the
// master on this host.
func (a *app) loginTarget(f *loginFlags, key serviceKey) (*target, error) {
	if _, err := newStore(a.env.Getenv); err != nil {
		return nil, usage(err, "")
	}
	l, err := a.load()
	if err != nil {
		return nil, err
	}
	urls, errURLs := a.urls()
	name := first(f.name, a.env.Getenv["GATEHOUSE_CLUSTER"])
	if f.name != "" && l.Clusters[f.name] != nil && len(a.target.urls) == 0 {
		urls, errURLs = nil, nil // those of GATEHOUSE_URL may be another cluster's, which is not to see the password
	}
	if len(urls) == 0 && key.base != "" && l.Clusters[name] == nil {
		urls = []string{key.base}
	}
	if name != "" && len(urls) == 0 && len(l.Clusters) > 0 && l.Clusters[name] == nil && errURLs == nil {
		return nil, l.unknown(name)
	}
	if name == "" {
		name, _ = l.choose("", urls)
	}
	t := l.targetOfLogin(name, urls)
	t.serviceKey = f.serviceKey
	a.warnPlain(t.urls)
	return t, all(errURLs, a.readTLS(t))
}

// targetOfLogin adds to a name and addresses, as far as they are given, what is known of them.
func (l *logins) targetOfLogin(name string, urls []string) *target {
	t := &target{urls: urls}
	t.use(name, l.Clusters[name])
	if len(t.urls) == 0 {
		t.urls = []string{defaultURL}
	}
	if same, _ := l.choose("", t.urls); t.ca == "" && t.clientCert == "" && same != "" {
		t.trust(l.Clusters[same]) // another login at the same cluster
	}
	t.name = first(name, nameOf(t.urls[0]))
	return t
}

// nameOf is the name of a cluster that nobody has named.
func nameOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return address
}

// warnPlain tells about passwords that others on the network can read.
func (a *app) warnPlain(urls []string) {
	for _, address := range urls {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
			fmt.Fprintf(a.env.Stderr, "Warning: %s is not encrypted; others on the network can read passwords and tokens. Use https:// if the cluster has it.\n", address)
		}
	}
}

// credentials are what the flags say, or what somebody types.
func (a *app) credentials(cmd *cobra.Command, f *loginFlags, t *target, key serviceKey) (client.Credentials, error) {
	uid := first(f.uid, key.uid, t.uid)
	if f.serviceKey != "" {
		if uid == "" {
			return nil, usage(errors.New("whose key is it? A private key does not say"), "add --uid UID")
		}
		if f.uid != "" && key.uid != "" && f.uid != key.uid {
			return nil, usage(fmt.Errorf("the login secret is that of %s, not of %s", key.uid, f.uid), "")
		}
		a.warnIfOpen(f.serviceKey)
		return client.ServiceKey(uid, key.key), nil
	}
	if uid == "" {
		typed, err := a.ask(cmd.Context(), "User: ", "add --uid UID")
		if err != nil {
			return nil, err
		}
		if uid = typed; uid == "" {
			return nil, usage(errors.New("a user is needed"), "add --uid UID")
		}
	}
	if f.password.given(cmd.Flags(), "") > 0 {
		password, err := f.password.read(a, cmd.Flags(), "")
		return client.Password(uid, password), err
	}
	password, err := a.askPassword(cmd.Context(), fmt.Sprintf("Password of %s at %s: ", safe(uid), safe(t.name)), howToLogIn)
	return client.Password(uid, password), err
}

// exchange trades credentials for a token.
func (a *app) exchange(ctx context.Context, t *target, credentials client.Credentials) (client.Token, error) {
	o := a.options(t)
	o.Credentials = credentials
	c, err := client.New(o)
	if err != nil {
		return client.Token{}, usage(err, "")
	}
	defer c.Close()
	token, err := c.Login(ctx)
	if client.IsCode(err, "ERR_INVALID_CREDENTIALS") {
		return token, fail(StatusLogin, fmt.Errorf("%s is not let in: wrong user, or wrong password or key", credentials.UID()), "")
	}
	if client.IsCode(err, "ERR_LDAP_AUTH_FAILED") {
		return token, fail(StatusUnavailable, fmt.Errorf("the cluster cannot ask its directory whether %s is let in", credentials.UID()),
			"try again later; local users can log in meanwhile. The masters' logs say what is wrong with the directory")
	}
	t.uid = credentials.UID()
	return token, t.explain(err)
}

// remember stores the login and makes it the current one.
func (a *app) remember(t *target, token client.Token) error {
	err := a.change(func(l *logins) error {
		l.Clusters[t.name] = &cluster{URLs: t.urls, CACert: t.ca, ClientCert: t.clientCert, ClientKey: t.clientKey,
			UID: t.uid, Token: token.Raw, ServiceKey: t.serviceKey}
		l.Current = t.name
		return nil
	})
	if err != nil {
		return fail(StatusFailed, err, "the login went well, but it cannot be stored")
	}
	return nil
}

func (a *app) loggedIn(t *target, token client.Token) view {
	shown := a.shownCluster(t.name, &cluster{URLs: t.urls, UID: t.uid, Token: token.Raw, ServiceKey: t.serviceKey}, true)
	return sentence(shown, "Logged in to %s (%s) as %s; the login ends %s.", t.name, strings.Join(t.urls, ", "), t.uid,
		relative(token.Expires, a.env.Now()))
}
