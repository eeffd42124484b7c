package rig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const simpleSAMLDir = "/usr/share/simplesamlphp"

// SAMLUser is an account at an identity provider.
type SAMLUser struct {
	Name, Password string
	Attributes     map[string][]string
}

// SAMLOptions are how an identity provider answers. The zero value is a provider without users that signs assertions only.
type SAMLOptions struct {
	Users []SAMLUser
	// NameID is the attribute that becomes the NameID. Users who lack it get a transient one, as SimpleSAMLphp does it.
	NameID string
	// SignResponse signs responses too; assertions are signed always, as our metadata asks for it.
	SignResponse bool
	// Key is which of the provider's two keys signs: 0 or 1.
	Key int
	// BothKeys publishes both certificates.
	BothKeys bool
}

// SimpleSAML is the real SimpleSAMLphp as an identity provider, run by PHP's own web server on loopback.
type SimpleSAML struct {
	URL string // with a slash at its end

	dir     string
	process *process
}

// StartSimpleSAML starts an identity provider; its files go to dir, which must exist and belong to it alone.
func StartSimpleSAML(ctx context.Context, dir string, o SAMLOptions) (*SimpleSAML, error) {
	s := &SimpleSAML{dir: dir}
	if _, err := os.Stat(simpleSAMLDir); err != nil {
		return nil, errors.New("simplesamlphp is not installed: run scripts/test-deps")
	}
	if err := errors.Join(s.makeDirs(), s.makeKeys()); err != nil {
		return nil, err
	}
	var err error
	for range 5 {
		if err = s.startAnywhere(ctx, o); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// startAnywhere starts the server on a port that is free now: somebody may take it before it does.
func (s *SimpleSAML) startAnywhere(ctx context.Context, o SAMLOptions) error {
	php, err := installed("php")
	if err != nil {
		return err
	}
	port, err := FreePorts(1)
	if err != nil {
		return err
	}
	s.URL = "http://" + loopback(port) + "/"
	if err := errors.Join(s.configure(), s.Configure(o)); err != nil {
		return err
	}
	// Without the cache of compiled files, which would keep an old configuration for two seconds.
	argv := []string{php, "-d", "opcache.enable=0", "-d", "display_errors=stderr", "-S", loopback(port), "-t", simpleSAMLDir + "/www"}
	env := []string{"SIMPLESAMLPHP_CONFIG_DIR=" + s.path("config")}
	if s.process, err = startProcess(argv, env, s.path("server.log")); err != nil {
		return err
	}
	err = Await(ctx, 20*time.Second, "the identity provider", func(ctx context.Context) error {
		select {
		case <-s.process.done:
			return fmt.Errorf("it has ended (%v): %w", s.process.err, ErrFinal)
		default:
		}
		_, err := s.Metadata(ctx)
		return err
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, s.Log()), s.process.kill())
	}
	return nil
}

// Close kills the server.
func (s *SimpleSAML) Close() {
	if s.process != nil {
		_ = s.process.kill()
	}
}

// Log is what the server has written.
func (s *SimpleSAML) Log() string {
	var all strings.Builder
	for _, name := range []string{"server.log", "log/simplesamlphp.log"} {
		text, err := os.ReadFile(s.path(name))
		if err == nil {
			all.Write(text)
		}
	}
	return all.String()
}

// Metadata fetches the identity provider's metadata.
func (s *SimpleSAML) Metadata(ctx context.Context) (string, error) {
	v, err := NewVisitor()
	if err != nil {
		return "", err
	}
	defer v.Close()
	p, err := v.Get(ctx, s.URL+"saml2/idp/metadata.php")
	if err != nil {
		return "", err
	}
	if p.Status != 200 || !strings.Contains(p.Body, "EntityDescriptor") {
		return "", fmt.Errorf("metadata: status %d: %.300s", p.Status, p.Body)
	}
	return p.Body, nil
}

// Register makes a service provider known by its metadata.
func (s *SimpleSAML) Register(name, metadata string) error {
	return os.WriteFile(s.path("sp", name+".xml"), []byte(metadata), 0o600)
}

// Authenticate goes from where a login starts to the identity provider, logs in there, and returns the form with the answer that
// the browser is to post back: its action is the assertion consumer service, its fields are SAMLResponse and RelayState.
func (s *SimpleSAML) Authenticate(ctx context.Context, v *Visitor, start string, u SAMLUser) (Form, error) {
	page, err := v.Get(ctx, start)
	if err != nil {
		return Form{}, err
	}
	if page, err = v.Follow(ctx, page); err != nil {
		return Form{}, err
	}
	form, err := page.Form()
	if err != nil {
		return Form{}, fmt.Errorf("the identity provider's login page: %w: status %d: %.500s", err, page.Status, page.Body)
	}
	if form.Fields.Has("username") {
		form.Fields.Set("username", u.Name)
		form.Fields.Set("password", u.Password)
		if page, err = v.Post(ctx, form.Action, form.Fields); err != nil {
			return Form{}, err
		}
		if page, err = v.Follow(ctx, page); err != nil {
			return Form{}, err
		}
		if form, err = page.Form(); err != nil {
			return Form{}, err
		}
	}
	if !form.Fields.Has("SAMLResponse") {
		return Form{}, fmt.Errorf("the identity provider did not answer: %s: status %d: %.800s", page.URL, page.Status, page.Body)
	}
	return Form{form.Action, url.Values{"SAMLResponse": form.Fields["SAMLResponse"], "RelayState": form.Fields["RelayState"]}}, nil
}

func (s *SimpleSAML) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *SimpleSAML) makeDirs() error {
	var errs []error
	for _, name := range []string{"config", "metadata", "cert", "log", "data", "tmp", "sessions", "sp"} {
		errs = append(errs, os.MkdirAll(s.path(name), 0o700))
	}
	return errors.Join(errs...)
}
