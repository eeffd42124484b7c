package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
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
	caCert  string
}

func (f *targetFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.cluster, "cluster", "", "ask the cluster that was logged in to under this `NAME` (GATEHOUSE_CLUSTER; default: the current one)")
	f.addURLs(flags)
}

func (f *targetFlags) addURLs(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.urls, "url", nil, "`URL` of any master or load balancer; several are tried in turn (GATEHOUSE_URL)")
	flags.StringVar(&f.caCert, "ca-cert", "", "trust the certificate authorities in this PEM `FILE` too (GATEHOUSE_CA_CERT)")
}

// target is the cluster that is meant, and who asks it.
type target struct {
	name string // of the stored login that is used; "" is none
	urls []string
	// token is "" when nobody is logged in.
	token string
	// given means that the token comes from GATEHOUSE_TOKEN: it is never renewed or stored.
	given      bool
	serviceKey string
	uid        string
	ca         string // PEM
}

// find decides which cluster is meant. public verbs work without a login, so they need no file that can be read.
func (a *app) find(public bool) (*target, error) {
	urls, err := a.urls()
	if err != nil {
		return nil, err
	}
	t := &target{urls: urls, token: strings.TrimSpace(a.env.Getenv["GATEHOUSE_TOKEN"])}
	t.given = t.token != ""
	name := first(a.target.cluster, a.env.Getenv["GATEHOUSE_CLUSTER"])
	l, err := a.load()
	if err != nil {
		if name != "" || len(urls) == 0 || !public && !t.given {
			return nil, err
		}
		l = &logins{}
	}
	if name, err = l.choose(name, urls); err != nil {
		return nil, err
	}
	t.use(name, l.Clusters[name])
	if len(t.urls) == 0 {
		t.urls = []string{defaultURL}
	}
	return t, a.readCA(t)
}

// use takes from a stored login what flags and variables have not said.
func (t *target) use(name string, c *cluster) {
	if c == nil {
		return
	}
	t.name, t.ca, t.uid = name, c.CACert, c.UID
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

func checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is no address of a cluster", text)
	}
	return strings.TrimRight(text, "/"), nil
}

// readCA lets the flag or variable override the stored authorities.
func (a *app) readCA(t *target) error {
	path := first(a.target.caCert, a.env.Getenv["GATEHOUSE_CA_CERT"])
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return usage(fmt.Errorf("--ca-cert: %w", err), "")
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return usage(fmt.Errorf("--ca-cert: %s holds no certificate in PEM form", path), "")
	}
	t.ca = string(text)
	return nil
}

// tlsConfig trusts the system's authorities and the target's.
func (t *target) tlsConfig() *tls.Config {
	if t.ca == "" {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM([]byte(t.ca))
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
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
