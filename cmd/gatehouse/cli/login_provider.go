package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// loginPatience is how long a person has to log in in the browser.
const loginPatience = 5 * time.Minute

// checkProvider refuses flags that do not go together.
func (f *loginFlags) checkProvider(cmd *cobra.Command) error {
	switch {
	case f.provider == "" && f.paste:
		return usage(errors.New("--paste is for logins through an identity provider"), "add --provider ID; gatehouse provider list shows them")
	case f.provider == "":
		return nil
	case f.uid != "", f.serviceKey != "", f.password.given(cmd.Flags(), "") > 0:
		return usage(errors.New("--provider and --uid, a password or --service-key: the identity provider says who logs in"), "")
	}
	return nil
}

// throughProvider logs in with a browser.
func (a *app) throughProvider(ctx context.Context, t *target, f *loginFlags) (token client.Token, err error) {
	c, err := a.connect(t, open)
	if err != nil {
		return token, err
	}
	defer c.Close()
	p, err := a.chosenProvider(ctx, t, c, f.provider)
	if err != nil {
		return token, err
	}
	if f.paste {
		token, err = a.pasted(ctx, t, p)
	} else {
		token, err = a.caught(ctx, t, c, p)
	}
	if err == nil {
		a.introduce(t, token)
	}
	t.uid, t.serviceKey = token.UID, ""
	return token, err
}

// introduce says who came out of the browser before that is kept: it is the provider who knows, and not the command line that asked.
func (a *app) introduce(t *target, token client.Token) {
	fmt.Fprintf(a.env.Stderr, "The identity provider logged in %s.\n", safe(token.UID))
	if t.uid != "" && t.uid != token.UID {
		fmt.Fprintf(a.env.Stderr, "Warning: %s was the login of %s until now.\n", safe(t.name), safe(t.uid))
	}
}

// chosenProvider finds the identity provider with that id.
func (a *app) chosenProvider(ctx context.Context, t *target, c *client.Client, id string) (client.Provider, error) {
	p, found, all, err := findProvider(ctx, c, id)
	if err != nil || found {
		return p, t.explain(err)
	}
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	advice := "there is none; a superuser adds one with gatehouse provider add"
	if len(ids) > 0 {
		advice = "there is " + strings.Join(ids, ", ")
	}
	return client.Provider{}, fail(StatusFailed, fmt.Errorf("%s knows no identity provider %q", t.name, id), advice)
}

// pasted has the person copy the token from the page at the end.
func (a *app) pasted(ctx context.Context, t *target, p client.Provider) (token client.Token, err error) {
	fmt.Fprintf(a.env.Stderr, "Open this page in a browser, log in, and copy the token:\n  %s\n", safe(client.ProviderLogin(t.urls[0], p, 0, "")))
	raw, err := a.askHidden(ctx, "token", "Token: ", "leave --paste out to have the browser bring it")
	if err != nil {
		return token, err
	}
	o := a.options(t)
	o.Token = strings.TrimSpace(raw)
	c, err := client.New(o)
	if err != nil {
		return token, usage(err, "")
	}
	defer c.Close()
	token, err = c.CheckToken(ctx)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		return token, fail(StatusLogin, errors.New("the cluster does not accept this token"), "copy all of it")
	}
	return token, t.explain(err)
}

// caught has the browser bring a code to this process. The code alone is worth nothing: whoever exchanges it must know the verifier, which
// stays here, and a code of another login does not belong to it (RFC 8252).
func (a *app) caught(ctx context.Context, t *target, c *client.Client, p client.Provider) (token client.Token, err error) {
	verifier := newVerifier()
	sum := sha256.Sum256([]byte(verifier))
	l, err := listenForCode(t.urls[0])
	if err != nil {
		return token, fail(StatusFailed, fmt.Errorf("listen for the browser: %w", err), "use --paste")
	}
	defer l.close()
	start := client.ProviderLogin(t.urls[0], p, l.port, base64.RawURLEncoding.EncodeToString(sum[:]))
	fmt.Fprintf(a.env.Stderr, "Log in in your browser. If none opens, open this page on this machine:\n  %s\n", safe(start))
	a.openBrowser(start)
	return a.exchanged(ctx, t, c, l, verifier)
}

// exchanged waits for a code that the cluster takes. Any page and any program on this machine can bring others, so one that is refused ends
// nothing; but nobody is to have the command line ask the cluster for ever.
func (a *app) exchanged(ctx context.Context, t *target, c *client.Client, l *codeListener, verifier string) (token client.Token, err error) {
	late := time.After(loginPatience)
	var refused *client.Error
	for tried := 1; ; tried++ {
		brought, err := l.next(ctx, late)
		if err != nil {
			return token, err
		}
		token, err = c.ExchangeCode(ctx, brought.code, verifier)
		switch {
		case err == nil:
			brought.good <- true
			return token, nil
		case !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized:
			return token, t.explain(err)
		case tried == maxCodes:
			return token, fail(StatusLogin, errors.New("the login did not succeed: "+safe(refused.Description)), "log in again")
		}
		brought.good <- false
		fmt.Fprintf(a.env.Stderr, "A browser brought a login that does not count: %s\n", safe(refused.Description))
	}
}

// newVerifier is a secret of this run.
func newVerifier() string {
	raw := make([]byte, 32)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
