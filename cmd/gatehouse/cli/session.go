package cli

import (
	"context"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// patience is how long a request is repeated while no master serves it: longer than an election on a busy machine.
const patience = 10 * time.Second

// access is what a verb needs of the login.
type access bool

const (
	open     access = true  // a login is of no use
	loggedIn access = false // the verb does not work without one
)

// asking makes the function of a verb that asks the cluster and shows the answer.
func (a *app) asking(need access, do func(ctx context.Context, c *client.Client, args []string) (view, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		t, err := a.find(need == open)
		if err != nil {
			return err
		}
		var v view
		err = a.with(cmd.Context(), t, need, func(c *client.Client) error {
			v, err = do(cmd.Context(), c, args)
			return err
		})
		if err != nil {
			return err
		}
		return a.show(v)
	}
}

// with calls do with a client of the target, and stores the token if it was renewed.
func (a *app) with(ctx context.Context, t *target, need access, do func(*client.Client) error) error {
	if need == loggedIn && t.token == "" && t.serviceKey == "" {
		return t.notLoggedIn()
	}
	c, err := a.connect(t, need)
	if err != nil {
		return err
	}
	defer c.Close()
	err = do(c)
	if need == loggedIn && !client.Unavailable(err) {
		a.keep(ctx, t, c)
	}
	return t.explain(err)
}

// connect makes the client. What is open to everybody is asked without a token.
func (a *app) connect(t *target, need access) (*client.Client, error) {
	o := a.options(t)
	if need == loggedIn {
		o.Token = t.token
	}
	if need == loggedIn && t.serviceKey != "" {
		key, err := readServiceKey(t.serviceKey)
		if err == nil {
			o.Credentials = client.ServiceKey(t.uid, key.key)
		} else if t.token == "" {
			return nil, err
		}
	}
	c, err := client.New(o)
	if err != nil {
		return nil, usage(err, "")
	}
	return c, nil
}

func (a *app) options(t *target) client.Options {
	return client.Options{Addresses: t.urls, TLS: t.tls, Patience: patience, UserAgent: "gatehouse/" + a.env.Version,
		Now: a.env.Now, Logger: a.patientLogger()}
}

// keep stores the token that a service key has renewed. That it cannot be stored is no reason for the verb to fail: the next one renews
// it again.
func (a *app) keep(ctx context.Context, t *target, c *client.Client) {
	if t.serviceKey == "" || t.name == "" || ctx.Err() != nil {
		return
	}
	renewed, err := c.Token(ctx)
	if err != nil || renewed == t.token {
		return
	}
	err = a.change(func(l *logins) error {
		if known := l.Clusters[t.name]; known != nil && known.ServiceKey == t.serviceKey {
			known.Token = renewed
		}
		return nil
	})
	if err != nil {
		fmt.Fprintf(a.env.Stderr, "Warning: the renewed token is not stored: %v\n", err)
	}
}

// serviceKey is what a service account logs in with.
type serviceKey struct {
	uid  string // "" if the file does not say
	key  *rsa.PrivateKey
	base string // of the cluster; "" if the file does not say
}

// readServiceKey reads a private key (PEM) or a login secret (JSON).
func readServiceKey(path string) (serviceKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return serviceKey{}, usage(fmt.Errorf("service key: %w", err), "")
	}
	s := client.LoginSecret{PrivateKey: string(data)}
	var base string
	if block, _ := pem.Decode(data); block == nil || strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		if s, err = client.ParseLoginSecret(data); err != nil {
			return serviceKey{}, usage(fmt.Errorf("service key: %s is neither a private key (PEM) nor a login secret: %w", path, err), "")
		}
		if base, err = s.Base(); err != nil {
			return serviceKey{}, usage(fmt.Errorf("service key: %s: %w", path, err), "")
		}
	}
	key, err := s.Key()
	if err != nil {
		return serviceKey{}, usage(fmt.Errorf("service key: %s: %w", path, err), "")
	}
	return serviceKey{s.UID, key, base}, nil
}
