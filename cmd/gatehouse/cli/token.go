package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "token", Short: "Show the token of a login, or verify one",
		Example: "  gatehouse token show",
	})
	cmd.AddCommand(a.tokenShowCommand(), a.tokenVerifyCommand())
	return a.common(cmd)
}

func (a *app) tokenShowCommand() *cobra.Command {
	var raw bool
	cmd := a.verb("show", "Show what the token says, or the token itself",
		"  gatehouse token show\n"+
			"  curl https://cluster.example/acs/api/v1/users -H \"Authorization: token=$(gatehouse token show --raw)\"",
		NoArgs, func(cmd *cobra.Command, _ []string) error { return a.tokenShow(cmd.Context(), raw) })
	cmd.Long = "Shows what the token of the login says, without asking whether it still counts (gatehouse token verify,\n" +
		"or any other verb, does). --raw prints the token, for other programs; whoever sees it can use it."
	cmd.Flags().BoolVar(&raw, "raw", false, "print the token itself")
	return cmd
}

func (a *app) tokenShow(ctx context.Context, raw bool) error {
	t, err := a.find(false)
	if err != nil {
		return err
	}
	var token string
	err = a.with(ctx, t, loggedIn, func(c *client.Client) (err error) {
		token, err = c.Token(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if raw {
		return write(a.env.Stdout, []byte(token+"\n"))
	}
	claims, err := readToken(token)
	if err != nil {
		return fail(StatusFailed, err, "print it as it is: gatehouse token show --raw")
	}
	return a.show(a.claimsView(claims))
}

// tokenClaims is what is shown of a token.
type tokenClaims struct {
	UID       string    `json:"uid"`
	IssuedAt  time.Time `json:"issued_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	KID       string    `json:"kid,omitempty"`
	Verified  bool      `json:"verified"`
}

func (a *app) claimsView(c tokenClaims) view {
	now := a.env.Now()
	verified := "no: shown as it is"
	if c.Verified {
		verified = "yes: signed by the key, and not expired"
	}
	return details(c, pair{"uid", c.UID}, pair{"issued", both(c.IssuedAt, now)}, pair{"expires", both(c.ExpiresAt, now)},
		pair{"key", c.KID}, pair{"verified", verified})
}

// rawClaims are the members of a token that are read without verification.
type rawClaims struct {
	UID string   `json:"uid"`
	Exp *float64 `json:"exp"`
	IAT *float64 `json:"iat"`
}

func (c tokenClaims) expires() time.Time { return c.ExpiresAt }

// readToken reads a token without verifying it.
func readToken(raw string) (tokenClaims, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return tokenClaims{}, errors.New("the token is no JWT")
	}
	var header struct {
		KID string `json:"kid"`
	}
	var claims rawClaims
	if decodePart(parts[0], &header) != nil || decodePart(parts[1], &claims) != nil {
		return tokenClaims{}, errors.New("the token is no JWT")
	}
	return tokenClaims{UID: claims.UID, KID: header.KID, IssuedAt: unixTime(claims.IAT), ExpiresAt: unixTime(claims.Exp)}, nil
}

func decodePart(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// unixTime is the moment, or none if it is missing or no time that a calendar knows.
func unixTime(seconds *float64) time.Time {
	if seconds == nil || math.IsNaN(*seconds) || *seconds < 0 || *seconds > 253402300799 {
		return time.Time{}
	}
	return time.Unix(int64(*seconds), 0).UTC()
}

// verifyFlags are which token is verified, with which keys.
type verifyFlags struct {
	jwks, file string
	stdin      bool
}

func (a *app) tokenVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := a.verb("verify", "Verify a token without showing it to the cluster",
		"  gatehouse token verify\n"+
			"  gatehouse token verify --jwks jwks.json --token-file token.txt\n"+
			"  gatehouse token show --raw | gatehouse token verify --token-stdin --jwks https://cluster.example/acs/api/v1/auth/jwks",
		tokenElsewhere, func(cmd *cobra.Command, _ []string) error { return a.tokenVerify(cmd.Context(), &f) })
	cmd.Long = "Verifies the signature and the expiry of a token with public keys, as programs beside Gatehouse do: with\n" +
		"a JWKS in a file without asking anybody. Whether the token was revoked, only the masters know. The\n" +
		"exit status is 0 for a valid token and 1 for any other."
	cmd.Flags().StringVar(&f.jwks, "jwks", "", "a `FILE` or URL with the public keys (default: ask the cluster)")
	cmd.Flags().StringVar(&f.file, "token-file", "", "the token is in `FILE` (default: the token of the login)")
	cmd.Flags().BoolVar(&f.stdin, "token-stdin", false, "the token is on standard input")
	return cmd
}

func (a *app) tokenVerify(ctx context.Context, f *verifyFlags) error {
	raw, err := a.tokenToVerify(f)
	if err != nil {
		return err
	}
	keys, err := a.jwks(ctx, f.jwks)
	if err != nil {
		return err
	}
	c, err := client.VerifyToken(keys, raw, a.env.Now())
	if err != nil {
		return fail(StatusFailed, err, "")
	}
	return a.show(a.claimsView(tokenClaims{UID: c.UID, IssuedAt: c.IssuedAt.UTC(), ExpiresAt: c.Expires.UTC(), KID: c.KID, Verified: true}))
}

// tokenElsewhere refuses a token on the command line, which others on the host can read, and does not repeat it.
func tokenElsewhere(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(errors.New("the token is no argument, where others could read it"), "use --token-file FILE or --token-stdin; without them the token of the login is verified")
}

// tokenToVerify is the token that the flags name, or that of the login.
func (a *app) tokenToVerify(f *verifyFlags) (string, error) {
	switch {
	case f.stdin && f.file != "":
		return "", usage(errors.New("--token-stdin and --token-file: want one of them"), "")
	case f.stdin:
		return a.firstLineOf(a.env.Stdin, "a token", "standard input")
	case f.file != "":
		file, err := os.Open(f.file)
		if err != nil {
			return "", usage(fmt.Errorf("--token-file: %w", err), "")
		}
		defer file.Close()
		return a.firstLineOf(file, "a token", f.file)
	}
	t, err := a.find(false)
	if err == nil && t.token == "" {
		err = t.notLoggedIn()
	}
	if err != nil {
		return "", err
	}
	return t.token, nil
}

// jwks reads public keys from a file, a URL or the cluster.
func (a *app) jwks(ctx context.Context, source string) (keys client.JWKS, err error) {
	if source != "" && !strings.HasPrefix(source, "http://") && !strings.HasPrefix(source, "https://") {
		data, err := os.ReadFile(source)
		if err == nil {
			keys, err = client.ParseJWKS(data)
		}
		if err != nil {
			return keys, usage(fmt.Errorf("--jwks: %w", err), "")
		}
		return keys, nil
	}
	t, err := a.find(true)
	if err != nil {
		return keys, err
	}
	if source != "" {
		if t, err = t.jwksAt(source); err != nil {
			return keys, err
		}
	}
	return keys, a.with(ctx, t, open, func(c *client.Client) (err error) {
		keys, err = c.JWKS(ctx)
		return err
	})
}

const jwksPath = "/acs/api/v1/auth/jwks"

// jwksAt asks for the keys at a URL instead.
func (t *target) jwksAt(source string) (*target, error) {
	base, found := strings.CutSuffix(source, jwksPath)
	base, err := checkURL(base)
	if err != nil || !found {
		return nil, usage(fmt.Errorf("--jwks: a URL of public keys ends in %s", jwksPath), "save other ones to a file: curl URL >jwks.json; gatehouse token verify --jwks jwks.json")
	}
	return &target{urls: []string{base}, tls: t.tls}, nil
}
