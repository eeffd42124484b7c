package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cluster"
)

// viewOf is a view that looks names up as told.
func viewOf(lookup func(context.Context, string, string) ([]netip.Addr, error)) *namesView {
	return &namesView{hosts: hostBook{lookup: lookup, known: map[string]*hostEntry{}}}
}

// seen is a master that answers, healthy or not; "gone" is one that does not.
func seen(n int, how string) cluster.Master {
	m := cluster.Master{ID: fmt.Sprintf("id-%d", n), Name: fmt.Sprintf("m%d", n), API: fmt.Sprintf("http://10.0.0.%d:8101", n),
		State: cluster.StateFollower, Healthy: how == "healthy"}
	if how == "gone" {
		m.State = cluster.StateUnreachable
	}
	return m
}

func TestOnlyFitMastersAreNamed(t *testing.T) {
	start := time.Unix(1e9, 0)
	led, lost := cluster.Status{Leader: "id-1"}, cluster.Status{}
	steps := []struct {
		what    string
		after   time.Duration
		status  cluster.Status
		masters []cluster.Master
		fit     string // and the leader with a star
	}{
		{"all well", 0, led, []cluster.Master{seen(1, "healthy"), seen(2, "healthy"), seen(3, "healthy")}, "m1* m2 m3"},
		{"one drains, one is gone", time.Second, led, []cluster.Master{seen(1, "healthy"), seen(2, "unfit"), seen(3, "gone")}, "m1*"},
		{"both are back", 2 * time.Second, led, []cluster.Master{seen(1, "healthy"), seen(2, "healthy"), seen(3, "healthy")}, "m1* m2 m3"},
		{"one dies", 3 * time.Second, led, []cluster.Master{seen(1, "healthy"), seen(2, "healthy"), seen(3, "gone")}, "m1* m2"},
		{"cut off: those that were fit a moment ago still are", 4 * time.Second, lost, []cluster.Master{seen(1, "gone"), seen(2, "healthy"), seen(3, "gone")}, "m1 m2"},
		{"but not if they say otherwise", 5 * time.Second, lost, []cluster.Master{seen(1, "unfit"), seen(2, "healthy"), seen(3, "gone")}, "m2"},
		{"found again", 6 * time.Second, led, []cluster.Master{seen(1, "healthy"), seen(2, "healthy"), seen(3, "gone")}, "m1* m2"},
		{"cut off again", 20 * time.Second, lost, []cluster.Master{seen(1, "gone"), seen(2, "healthy"), seen(3, "gone")}, "m1 m2"},
		{"after a while nobody is known to be fit, not even this one", 22 * time.Second, lost, []cluster.Master{seen(1, "gone"), seen(2, "unfit"), seen(3, "gone")}, ""},
		{"and what is forgotten stays so", 23 * time.Second, lost, []cluster.Master{seen(1, "gone"), seen(2, "healthy"), seen(3, "gone")}, "m2"},
		{"the leader changes", 24 * time.Second, cluster.Status{Leader: "id-3"}, []cluster.Master{seen(1, "healthy"), seen(2, "healthy"), seen(3, "healthy")}, "m1 m2 m3*"},
	}
	view := viewOf(nil)
	for _, step := range steps {
		hosts := view.next(t.Context(), step.masters, step.status, start.Add(step.after))
		var fit []string
		for _, h := range hosts {
			switch {
			case h.Leader:
				fit = append(fit, h.Label+"*")
			case h.Healthy:
				fit = append(fit, h.Label)
			}
		}
		if got := strings.Join(fit, " "); got != step.fit || len(hosts) != len(step.masters) {
			t.Errorf("%s: got %q of %d, want %q of all", step.what, got, len(hosts), step.fit)
		}
	}
	if hosts := view.next(t.Context(), steps[0].masters, cluster.Status{Removed: true, Leader: "id-1"}, start); hosts != nil {
		t.Errorf("a master that was removed answers %v", hosts)
	}
}

func TestMastersAreNamedByWhatTheyAdvertise(t *testing.T) {
	tests := []struct {
		name, api string
		want      string // label, addresses, port and TLS; "" is not named
	}{
		{"m1", "http://10.0.0.1:8101", "m1 [10.0.0.1] 8101 false"},
		{"Master.1_A", "https://10.0.0.1", "master-1-a [10.0.0.1] 443 true"},
		{"_", "http://[fd00::1]", "0123456789ab [fd00::1] 80 false"},
		{"m1", "http://[::ffff:10.0.0.1]:80", "m1 [10.0.0.1] 80 false"},
		{"m1", "http://[fe80::1%25eth0]:80", "m1 [fe80::1] 80 false"},
		{"m1", "", ""},
		{"m1", "http://10.0.0.1:99999", ""},
		{"m1", "::", ""},
	}
	for _, test := range tests {
		hosts := viewOf(nil).next(t.Context(), []cluster.Master{{ID: "0123456789abcdef", Name: test.name, API: test.api}}, cluster.Status{}, time.Now())
		got := ""
		for _, h := range hosts {
			got = fmt.Sprint(h.Label, " ", h.Addrs, " ", h.Port, " ", h.TLS)
		}
		if got != test.want {
			t.Errorf("%s at %s: got %q, want %q", test.name, test.api, got, test.want)
		}
	}
}

// A master may advertise a name. It is looked up beside the answers, which do not wait, and kept while that fails.
func TestAdvertisedNamesAreLookedUpInTheBackground(t *testing.T) {
	begin, failing := make(chan struct{}), make(chan bool, 2)
	failing <- false
	failing <- true
	view := viewOf(func(_ context.Context, _, host string) ([]netip.Addr, error) {
		<-begin
		if host != "m1.example.com" || <-failing {
			return nil, errors.New("no answer for " + host)
		}
		return []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("fd00::1")}, nil
	})
	masters := []cluster.Master{{ID: "id-1", Name: "m1", API: "http://m1.example.com:8101"}}
	if hosts := view.next(t.Context(), masters, cluster.Status{}, time.Now()); len(hosts) > 0 {
		t.Errorf("before the answer: got %v", hosts)
	}
	close(begin)
	want := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	known := func() bool {
		hosts := view.next(t.Context(), masters, cluster.Status{}, time.Now())
		return len(hosts) == 1 && slices.Equal(hosts[0].Addrs, want)
	}
	for deadline := time.Now().Add(10 * time.Second); !known(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the answer is not used")
		}
	}
	view.hosts.known["m1.example.com"].asked = time.Time{} // due again, and it fails
	known()
	for deadline := time.Now().Add(10 * time.Second); len(failing) > 0 || view.hosts.known["m1.example.com"].busy.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the name is not looked up again")
		}
	}
	if !known() {
		t.Error("a failed lookup forgets what was known")
	}
}

func TestMastersThatLeaveAreForgotten(t *testing.T) {
	view := viewOf(func(context.Context, string, string) ([]netip.Addr, error) { return nil, errors.New("none") })
	for n := range 100 {
		name := fmt.Sprintf("m%d.example.com", n)
		view.next(t.Context(), []cluster.Master{{ID: name, Name: name, API: "http://" + name}}, cluster.Status{Leader: "x"}, time.Now())
	}
	if diff := cmp.Diff(1, len(view.hosts.known)); diff != "" {
		t.Errorf("names that are remembered (-want +got):\n%s", diff)
	}
}
