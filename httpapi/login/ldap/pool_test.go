package ldap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/go-ldap/ldap/v3"
)

const connectionsName = "gatehouse_directory_connections"

// counted is the value of one of the client's metrics.
func counted(t *testing.T, c *Client, name string, labels ...string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && slices.Equal(values, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

func TestManyLoginsShareFewConnections(t *testing.T) {
	var entries []*ldap.Entry
	for _, uid := range numbered(64) {
		entries = append(entries, person(uid))
	}
	a := newAuthority(t)
	d := holding(entries...)
	d.implicit, d.tls = true, server(a.leaf(nil))
	cfg := d.serve(t).config()
	cfg.LDAPS, cfg.CACerts = true, a.pem()
	c := newClient(t, io.Discard)
	var logins sync.WaitGroup
	for _, uid := range numbered(64) {
		logins.Go(func() {
			for range 5 {
				if e, err := c.Authenticate(t.Context(), cfg, uid, "password of "+uid); err != nil || e.UID != uid {
					t.Errorf("%s is %q, %v", uid, e.UID, err)
				}
				if _, err := c.Authenticate(t.Context(), cfg, uid, "wrong"); !errors.Is(err, ErrInvalidCredentials) {
					t.Errorf("%s with a wrong password: %v", uid, err)
				}
			}
		})
	}
	logins.Wait()
	if _, most, total := d.connections(); most > MaxConnections || total > MaxConnections {
		t.Errorf("%d connections at once and %d in all, want %d at most", most, total, MaxConnections)
	}
	_, searches := d.asked()
	for _, s := range searches {
		if s.as != "" {
			t.Errorf("somebody searched as %s, who had logged in", s.as)
		}
	}
	open := counted(t, c, connectionsName)
	c.Close()
	if left := counted(t, c, connectionsName); open == 0 || left != 0 {
		t.Errorf("%v connections are counted, and %v after they were closed", open, left)
	}
}

func TestWhoWaitsTooLongForAConnectionIsTold(t *testing.T) {
	d := holding(person("alice"))
	c := newClient(t, io.Discard)
	for range cap(c.searches.slots) {
		c.searches.slots <- struct{}{}
	}
	if err := c.searches.slot(t.Context(), time.Millisecond); !errors.Is(err, ErrBusy) {
		t.Errorf("%v, want %v", err, ErrBusy)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.FindUser(ctx, d.serve(t).config(), "alice"); !unreachable(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	<-c.searches.slots
	if err := c.searches.slot(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestAConnectionThatDiedIsReplacedOnce(t *testing.T) {
	d := holding(person("alice"))
	find := d.onSearch
	var hangUp atomic.Bool
	d.onSearch = func(s search) answer {
		if hangUp.Swap(false) {
			return answer{raw: func(net.Conn, int64) {}} // hang up
		}
		return find(s)
	}
	cfg := d.serve(t).config()
	c := newClient(t, io.Discard)
	for i := range 3 {
		hangUp.Store(i > 0)
		if _, err := c.FindUser(t.Context(), cfg, "alice"); err != nil {
			t.Errorf("attempt %d: %v", i, err)
		}
	}
	d.mu.Lock()
	d.onSearch = func(search) answer { return answer{raw: func(net.Conn, int64) {}} }
	d.searches = nil
	d.mu.Unlock()
	if _, err := c.FindUser(t.Context(), cfg, "alice"); !unreachable(err) {
		t.Errorf("%v, want the directory unreachable", err)
	}
	if _, searches := d.asked(); len(searches) != 2 {
		t.Errorf("%d attempts, want 2", len(searches))
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	d := holding(person("alice")).serve(t)
	c := newClient(t, io.Discard)
	c.opts.IdleTime = time.Millisecond
	if _, err := c.Authenticate(t.Context(), d.config(), "alice", "password of alice"); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of idle connections", func() bool { open, _, _ := d.connections(); return open == 0 })
}

func TestOldConnectionsAreClosed(t *testing.T) {
	d := holding(person("alice")).serve(t)
	var now atomic.Int64
	c := newClient(t, io.Discard)
	c.opts.Now = func() time.Time { return time.Unix(now.Load(), 0) }
	for range 2 {
		if _, err := c.FindUser(t.Context(), d.config(), "alice"); err != nil {
			t.Fatal(err)
		}
		now.Add(int64(maxAge/time.Second) + 1)
	}
	await(t, "the end of old connections", func() bool { open, _, _ := d.connections(); return open == 0 })
}

func TestConnectionsLeadToTheConfigurationThatIsAskedFor(t *testing.T) {
	one, two := holding(person("alice")).serve(t), holding(person("bob")).serve(t)
	c := newClient(t, io.Discard)
	older, newer := one.config(), two.config()
	older.Version, newer.Version = 1, 2
	find := func(cfg *Config, uid string) {
		t.Helper()
		for _, name := range []string{"alice", "bob"} {
			if _, err := c.FindUser(t.Context(), cfg, name); (err == nil) != (name == uid) {
				t.Errorf("version %d finds %s: %v", cfg.Version, name, err)
			}
		}
	}
	find(older, "alice")
	find(newer, "bob")
	await(t, "the end of connections of an older version", func() bool { open, _, _ := one.connections(); return open == 0 })
	find(older, "alice") // a request that began before
	await(t, "the end of connections of an older version", func() bool { open, _, _ := one.connections(); return open == 0 })
	find(newer, "bob")
	if _, _, total := two.connections(); total != 2 { // one on which StartTLS was tried
		t.Errorf("%d connections to the newer one, want 1 that was kept all the time", total-1)
	}
	same := *newer
	find(&same, "bob")
	if _, _, total := two.connections(); total != 2 {
		t.Errorf("an equal configuration made another connection")
	}
}

func TestOperationsAreCounted(t *testing.T) {
	d := holding(person("alice"), group("staff", map[string][]string{})).serve(t)
	c := newClient(t, io.Discard)
	ctx, cfg := t.Context(), d.config()
	_, _ = c.Authenticate(ctx, cfg, "alice", "password of alice")
	_, _ = c.Authenticate(ctx, cfg, "alice", "wrong")
	_, _ = c.Authenticate(ctx, cfg, "nobody", "wrong")
	_, _ = c.FindUser(ctx, cfg, "nobody")
	_, _ = c.FindGroup(ctx, cfg, "staff")
	_ = c.BaseExists(ctx, cfg)
	_ = c.ResolveMembers(ctx, cfg, []string{"alice"}, func(Entry) error { return nil })
	c.Probe(ctx, cfg, "alice", "password of alice")
	gone := *cfg
	gone.Version, c.opts.Dial = 1, func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("down") }
	_, _ = c.FindUser(ctx, &gone, "alice")
	for _, want := range []string{"login ok 1", "login refused 2", "find_user not_found 1", "find_user failed 1", "find_group ok 1", "base ok 1", "resolve ok 1", "test ok 1"} {
		var operation, outcome string
		var n float64
		if _, err := fmt.Sscan(want, &operation, &outcome, &n); err != nil {
			t.Fatal(err)
		}
		if got := counted(t, c, "gatehouse_directory_operations_total", operation, outcome); got != n {
			t.Errorf("%s %s is counted %v times, want %v", operation, outcome, got, n)
		}
	}
	if n := len(c.Collectors()); n != 3 {
		t.Errorf("%d collectors", n)
	}
}

func TestOutcomesHaveNames(t *testing.T) {
	for want, err := range map[string]error{
		"ok": nil, "refused": ErrInvalidCredentials, "ambiguous": ErrAmbiguous, "busy": ErrBusy, "not_found": ErrNoSuchGroup,
		"timeout":  &UnreachableError{StageSearch, context.DeadlineExceeded},
		"canceled": &UnreachableError{StageSearch, context.Canceled}, "failed": &UnreachableError{StageConnect, io.EOF},
	} {
		if got := outcome(err); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
