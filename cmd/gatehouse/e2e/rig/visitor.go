package rig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Visitor is a browser without a screen, as far as logins need one: it keeps cookies, follows redirects and submits forms. It
// runs no scripts. All ports of one host share its cookies, as in any browser.
type Visitor struct {
	jar    http.CookieJar
	client *http.Client
}

// Page is where a visitor is.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
}

// NewVisitor makes a visitor without cookies, who trusts these authorities, PEM.
func NewVisitor(authorities ...[]byte) (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	trust := x509.NewCertPool()
	for _, authority := range authorities {
		trust.AppendCertsFromPEM(authority)
	}
	return &Visitor{jar: jar, client: &http.Client{
		Timeout: 20 * time.Second,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig: &tls.Config{RootCAs: trust}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close drops the idle connections.
func (v *Visitor) Close() { v.client.CloseIdleConnections() }

// Get opens an address and stays there, even if it redirects.
func (v *Visitor) Get(ctx context.Context, address string) (*Page, error) {
	return v.do(ctx, http.MethodGet, address, nil, v.jar)
}

// Post submits fields to an address and stays there. The cookies are sent, as for a form of the same site.
func (v *Visitor) Post(ctx context.Context, address string, fields url.Values) (*Page, error) {
	return v.do(ctx, http.MethodPost, address, fields, v.jar)
}

// PostFromElsewhere submits fields as a form of another site does: without cookies, all of them being SameSite=Lax. Those that
// come back are kept.
func (v *Visitor) PostFromElsewhere(ctx context.Context, address string, fields url.Values) (*Page, error) {
	return v.do(ctx, http.MethodPost, address, fields, nil)
}

// Follow goes where a page redirects, until one does not. The page it begins with counts.
func (v *Visitor) Follow(ctx context.Context, p *Page) (*Page, error) {
	for range 20 {
		to, err := p.Redirect()
		if err != nil || to == "" {
			return p, err
		}
		if p, err = v.Get(ctx, to); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: redirected without end", p.URL)
}

// Cookies are those that are sent to an address.
func (v *Visitor) Cookies(address string) ([]*http.Cookie, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return v.jar.Cookies(u), nil
}

func (v *Visitor) do(ctx context.Context, method, address string, fields url.Values, cookies http.CookieJar) (*Page, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookies != nil {
		for _, c := range cookies.Cookies(request.URL) {
			request.AddCookie(c)
		}
	}
	response, err := v.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	v.jar.SetCookies(request.URL, response.Cookies())
	return &Page{request.URL, response.StatusCode, response.Header, string(body)}, nil
}

// Redirect is where the page sends its visitor, or "".
func (p *Page) Redirect() (string, error) {
	location := p.Header.Get("Location")
	if p.Status < 300 || p.Status > 399 || location == "" {
		return "", nil
	}
	to, err := p.URL.Parse(location)
	if err != nil {
		return "", fmt.Errorf("%s: redirect: %w", p.URL, err)
	}
	return to.String(), nil
}

// Form is a form of a page, with the values that it comes with.
type Form struct {
	Action string
	Fields url.Values
}

// Form returns the first form of the page.
func (p *Page) Form() (Form, error) {
	root, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return Form{}, fmt.Errorf("%s: %w", p.URL, err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		action, err := p.URL.Parse(attribute(n, "action"))
		if err != nil {
			return Form{}, fmt.Errorf("%s: action of the form: %w", p.URL, err)
		}
		return Form{action.String(), formFields(n)}, nil
	}
	return Form{}, errors.New(p.URL.String() + " has no form")
}

func formFields(form *html.Node) url.Values {
	fields := url.Values{}
	for n := range form.Descendants() {
		if name := attribute(n, "name"); n.Type == html.ElementNode && n.Data == "input" && name != "" {
			fields.Add(name, attribute(n, "value"))
		}
	}
	return fields
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
