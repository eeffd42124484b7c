package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// defaultURL is the API of the master on this host.
const defaultURL = "http://127.0.0.1:8101"

// targetFlags say which cluster is meant. Each of them overrides a variable, which overrides the stored login.
type targetFlags struct {
	cluster string
	urls    []string
	tlsFiles
}

// tlsFiles are the files that TLS needs beyond what the system has.
type tlsFiles struct{ caCert, clientCert, clientKey string }

func (f *targetFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.cluster, "cluster", "", "ask the cluster that was logged in to under this `NAME` (GATEHOUSE_CLUSTER; default: the current one)")
	f.addURLs(flags)
}

func (f *targetFlags) addURLs(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.urls, "url", nil, "`URL` of any master or load balancer; several are tried in turn (GATEHOUSE_URL)")
	flags.StringVar(&f.caCert, "ca-cert", "", "trust the certificate authorities in this PEM `FILE` too (GATEHOUSE_CA_CERT)")
	flags.StringVar(&f.clientCert, "client-cert", "", "show the certificate in this PEM `FILE` to masters that want one (GATEHOUSE_CLIENT_CERT)")
	flags.StringVar(&f.clientKey, "client-key", "", "the key of that certificate is in `FILE` (GATEHOUSE_CLIENT_KEY; default: beside the certificate)")
}

// target is the cluster that is meant, and who asks it.
type target struct {
	name   string   // of the stored login that is used; "" is none
	stored []string // the names of all that there are
	urls   []string
	// token is "" when nobody is logged in.
	token string
	// given means that the token comes from GATEHOUSE_TOKEN: it is never renewed or stored.
	given      bool
	serviceKey string
	uid        string
	ca         string // PEM
	// clientCert and clientKey are absolute paths, or both "".
	clientCert, clientKey string
	tls                   *tls.Config
}

// find decides which cluster is meant. public verbs work without a login, so they need no file that can be read.
func (a *app) find(public bool) (*target, error) {
	urls, errURLs := a.urls()
	t := &target{urls: urls, token: strings.TrimSpace(a.env.Getenv["GATEHOUSE_TOKEN"])}
	t.given = t.token != ""
	name := a.target.cluster
	switch named := len(a.target.urls) > 0; {
	case name == "" && !named:
		name = a.env.Getenv["GATEHOUSE_CLUSTER"]
	case name != "" && !named:
		t.urls, urls, errURLs = nil, nil, nil // those of GATEHOUSE_URL may be another cluster's, which is not to see the token
	}
	l, errLoad := a.load()
	if errLoad != nil {
		l = &logins{}
		if name == "" && len(urls) > 0 && (public || t.given) {
			errLoad = nil // it is not needed
		}
	}
	name, errName := l.choose(name, urls)
	if errLoad != nil {
		errName = errLoad
	}
	t.stored = slices.Sorted(maps.Keys(l.Clusters))
	t.use(name, l.Clusters[name])
	if len(t.urls) == 0 {
		t.urls = []string{defaultURL}
	}
	return t, all(errURLs, errName, a.readTLS(t))
}

// use takes from a stored login what flags and variables have not said.
func (t *target) use(name string, c *cluster) {
	if c == nil {
		return
	}
	t.name, t.uid = name, c.UID
	t.trust(c)
	if len(t.urls) == 0 {
		t.urls = c.URLs
	}
	if !t.given {
		t.token, t.serviceKey = c.Token, c.ServiceKey
	}
}

// choose finds the stored login that is meant: the one that is named; the one at the URLs that are named, because a token
// is shown to nobody but the cluster that gave it; otherwise the current one. "" is none.
func (l *logins) choose(name string, urls []string) (string, error) {
	if name != "" {
		if l.Clusters[name] == nil {
			return "", l.unknown(name)
		}
		return name, nil
	}
	if len(urls) == 0 {
		return l.Current, nil
	}
	for _, known := range append([]string{l.Current}, slices.Sorted(maps.Keys(l.Clusters))...) {
		if c := l.Clusters[known]; c != nil && !slices.ContainsFunc(urls, func(u string) bool { return !slices.Contains(c.URLs, u) }) {
			return known, nil
		}
	}
	return "", nil
}

// unknown is the error about a name under which nothing is stored.
func (l *logins) unknown(name string) error {
	advice := "log in first: gatehouse login --name " + quote(name) + " --url URL"
	if len(l.Clusters) > 0 {
		advice = "known are: " + strings.Join(slices.Sorted(maps.Keys(l.Clusters)), ", ") + "\nor " + advice
	}
	return usage(fmt.Errorf("there is no cluster %q", name), advice)
}

// urls are the addresses that a flag or variable names.
func (a *app) urls() ([]string, error) {
	raw, source := a.target.urls, "--url"
	if len(raw) == 0 && a.env.Getenv["GATEHOUSE_URL"] != "" {
		raw, source = strings.Split(a.env.Getenv["GATEHOUSE_URL"], ","), "GATEHOUSE_URL"
	}
	var urls []string
	var problems []error
	for _, text := range raw {
		u, err := checkURL(strings.TrimSpace(text))
		problems = append(problems, err)
		urls = append(urls, u)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, usage(fmt.Errorf("%s: %w", source, err), "give it as https://HOST or http://HOST:PORT")
	}
	return urls, nil
}

// checkURL shows no more of what it refuses than the host: there may be a password or a token in it.
func checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || strings.Contains(text, "@") && u.User == nil:
		return "", errors.New("what is given is no address of a cluster")
	case u.User != nil:
		return "", fmt.Errorf("the address of %s must not hold a user or a password", u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("the address of %s must not go on with ? or #", u.Host)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("%q is no address of a cluster", text)
	}
	return strings.TrimRight(text, "/"), nil
}

// trust takes from a stored login whom it trusts, and what it shows.
func (t *target) trust(c *cluster) {
	t.ca, t.clientCert, t.clientKey = c.CACert, c.ClientCert, c.ClientKey
}

// readTLS lets flags and variables override what is stored, and reads the files.
func (a *app) readTLS(t *target) error {
	if path := first(a.target.caCert, a.env.Getenv["GATEHOUSE_CA_CERT"]); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return usage(fmt.Errorf("--ca-cert: %w", err), "")
		}
		t.ca = string(text)
	}
	if path := first(a.target.clientCert, a.env.Getenv["GATEHOUSE_CLIENT_CERT"]); path != "" {
		t.clientCert, t.clientKey = path, first(a.target.clientKey, a.env.Getenv["GATEHOUSE_CLIENT_KEY"], path)
	}
	return t.makeTLS()
}

// makeTLS trusts the system's authorities and the target's.
func (t *target) makeTLS() (err error) {
	if t.ca == "" && t.clientCert == "" {
		return nil
	}
	t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		if t.tls.RootCAs, err = x509.SystemCertPool(); err != nil {
			t.tls.RootCAs = x509.NewCertPool()
		}
		if !t.tls.RootCAs.AppendCertsFromPEM([]byte(t.ca)) {
			return usage(errors.New("--ca-cert: there is no certificate in PEM form in it"), "")
		}
	}
	if t.clientCert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(t.clientCert, t.clientKey)
	if err != nil {
		return usage(fmt.Errorf("--client-cert: %w", err), "name its key with --client-key FILE")
	}
	t.tls.Certificates = []tls.Certificate{pair}
	if t.clientCert, err = filepath.Abs(t.clientCert); err == nil {
		t.clientKey, err = filepath.Abs(t.clientKey)
	}
	return err
}

// load reads the stored logins.
func (a *app) load() (*logins, error) {
	s, err := newStore(a.env.Getenv)
	if err != nil {
		return &logins{}, nil // a process without a home has no stored logins
	}
	l, err := s.load()
	if err != nil {
		return nil, usage(err, "")
	}
	return l, nil
}

// change changes the stored logins.
func (a *app) change(edit func(*logins) error) error {
	s, err := newStore(a.env.Getenv)
	if err != nil {
		return usage(err, "")
	}
	return s.change(edit)
}

// first is the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// quote writes a word so that a shell takes it as one.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
