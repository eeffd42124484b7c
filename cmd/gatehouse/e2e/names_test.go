//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
	"gatehouse/httpapi/client"
)

// hosted prepares three masters at addresses of their own, one port for all. They find each other by join, "" being
// their addresses.
func hosted(t *testing.T, join string, flags ...string) (*rig.Cluster, *rig.Hosts) {
	t.Helper()
	hosts := must[*rig.Hosts](t)(rig.NewHosts())
	n := 0
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary, Flags: flags, Wrap: func(m *rig.Master) {
		n++
		hosts.Place(m, n)
		m.Replace("--join", cmp.Or(join, hosts.Join(3)))
	}}))
	finish(t, c)
	return c, hosts
}

func startAll(t *testing.T, masters ...*rig.Master) {
	t.Helper()
	for _, m := range masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

func awaitAll(t *testing.T, c *rig.Cluster) {
	t.Helper()
	if err := c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
}

// All that the masters know of each other is one name, and what a real DNS server answers for it changes under them.
func TestHostileC25MastersFindEachOtherByAName(t *testing.T) {
	server := must[*rig.DNSMasq](t)(rig.StartDNSMasq(t.Context(), t.TempDir(), "local=/mesos/"))
	t.Cleanup(server.Close)
	answer := func(addrs ...string) {
		t.Helper()
		if err := server.Set(t.Context(), "master.mesos", addrs...); err != nil {
			t.Fatal(err)
		}
	}
	c, hosts := hosted(t, "master.mesos", "--join-resolver", server.Addr)

	// The name does not exist, then the server hangs; neither is for ever.
	startAll(t, c.Masters...)
	await(t, 20*time.Second, "health that says what is missing", func(ctx context.Context) error {
		got, err := c.Client.Expect(ctx, http.StatusServiceUnavailable, rig.Request{Method: http.MethodGet, URL: c.Masters[0].API + "/gatehouse/v1/health"})
		if err == nil && !strings.Contains(string(got.Body), "1 of 3 expected masters found") {
			err = fmt.Errorf("got %s", got.Body)
		}
		return err
	})
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(rig.Pause(t.Context(), 2*time.Second), server.Thaw()); err != nil {
		t.Fatal(err)
	}
	answer(hosts.Host(200), hosts.Host(1), hosts.Host(2), hosts.Host(3)) // the first is nobody
	awaitAll(t, c)
	putUser(t, c, c.Masters[0], "one", map[string]string{"password": "a passphrase"})

	// Of thirty addresses one is alive, and a new master joins by it.
	var thirty []string
	for n := range 29 {
		thirty = append(thirty, hosts.Host(201+n))
	}
	answer(append(thirty, hosts.Host(2))...)
	fourth := must[*rig.Master](t)(c.Add("m4"))
	if err := fourth.AwaitHealthy(t.Context(), c.Client, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	awaitVoter(t, c, fourth, "m4")

	// All move to other addresses at once. What they know of each other is worth nothing then, but the name.
	for _, m := range c.Masters {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	answer()
	hosts.Move()
	var moved []string
	for i, m := range c.Masters {
		hosts.Place(m, i+1)
		moved = append(moved, hosts.Host(i+1))
	}
	startAll(t, c.Masters...)
	await(t, 20*time.Second, "a log line that says that nobody is found", func(context.Context) error {
		if log := c.Masters[0].Log(); !strings.Contains(log, "no join address answers") || !strings.Contains(log, "no such host") {
			return errors.New("it is not there")
		}
		return nil
	})
	answer(moved...)
	awaitAll(t, c)
	for _, m := range c.Masters {
		getUser(t, c, m, "one")
	}
	if n := strings.Count(c.Masters[0].Log(), "no join address answers"); n > 4 {
		t.Errorf("the log says %d times that nobody answers: too much noise", n)
	}
}

// answering prepares and starts three masters that answer DNS, and answers where they do.
func answering(t *testing.T, flags ...string) (*rig.Cluster, *rig.Hosts, []string) {
	t.Helper()
	c, hosts := hosted(t, "", append([]string{"--dns-listen", "", "--dns-ttl", "1s"}, flags...)...)
	startAll(t, c.Masters...)
	awaitAll(t, c)
	var servers []string
	for i := range c.Masters {
		servers = append(servers, net.JoinHostPort(hosts.Host(i+1), strconv.Itoa(hosts.DNS)))
	}
	await(t, 10*time.Second, "all masters in every answer", func(ctx context.Context) error { return namedAll(ctx, servers, hosts.All(3)...) })
	return c, hosts, servers
}

// namedAll wants every server to answer master.mesos with these addresses.
func namedAll(ctx context.Context, servers []string, want ...string) error {
	for _, server := range servers {
		got, err := rig.Resolver(server).LookupHost(ctx, "master.mesos.")
		if slices.Sort(got); err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("%s answers %v, want %v", server, got, want)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dig asks a server with the real dig and answers the status and the records, without TTL and with single spaces.
func dig(t *testing.T, server string, args ...string) (status string, records []string) {
	t.Helper()
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	out := must[string](t)(rig.Dig(t.Context(), append([]string{"@" + host, "-p", port, "+noall", "+comments", "+answer", "+authority"}, args...)...))
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if _, rest, ok := strings.Cut(line, "status: "); ok {
			status, _, _ = strings.Cut(rest, ",")
		}
		if strings.HasPrefix(line, ";; flags:") && strings.Contains(line, " aa ") {
			status += " aa"
		}
		if strings.HasPrefix(line, "; Transfer failed") {
			status = "no transfer"
		}
		if len(fields) > 3 && !strings.HasPrefix(line, ";") {
			records = append(records, strings.Join(slices.Delete(fields, 1, 3), " "))
		}
	}
	slices.Sort(records)
	return status, records
}

func TestDigFindsTheMasters(t *testing.T) {
	c, hosts, servers := answering(t)
	each := func(format string) (lines []string) {
		for i, m := range c.Masters {
			lines = append(lines, strings.NewReplacer("NAME", m.Name, "ADDR", hosts.Host(i+1), "PORT", strconv.Itoa(hosts.API)).Replace(format))
		}
		return lines
	}
	soa := []string{"mesos. SOA master.mesos. hostmaster.mesos. 1 60 10 600 1"}
	tests := []struct {
		args   string
		status string
		want   []string
	}{
		{"A master.mesos", "NOERROR aa", each("master.mesos. A ADDR")},
		{"+tcp A master.mesos", "NOERROR aa", each("master.mesos. A ADDR")},
		{"+noedns A master.mesos", "NOERROR aa", each("master.mesos. A ADDR")},
		{"+bufsize=512 +dnssec A master.mesos", "NOERROR aa", each("master.mesos. A ADDR")},
		{"A mAsTeR.MESOS", "NOERROR aa", each("mAsTeR.MESOS. A ADDR")},
		{"AAAA master.mesos", "NOERROR aa", soa},
		{"A m2.master.mesos", "NOERROR aa", []string{"m2.master.mesos. A " + hosts.Host(2)}},
		{"SRV _gatehouse._tcp.master.mesos", "NOERROR aa", each("_gatehouse._tcp.master.mesos. SRV 0 1 PORT NAME.master.mesos.")},
		{"SRV _http._tcp.master.mesos", "NOERROR aa", each("_http._tcp.master.mesos. SRV 0 1 PORT NAME.master.mesos.")},
		{"SRV _https._tcp.master.mesos", "NOERROR aa", soa},
		{"SOA mesos", "NOERROR aa", soa},
		{"NS mesos", "NOERROR aa", []string{"mesos. NS master.mesos."}},
		{"ANY master.mesos", "NOERROR aa", []string{`master.mesos. HINFO "RFC8482" ""`}},
		{"A slave.mesos", "NXDOMAIN aa", soa},
		{"A www.example.com", "REFUSED", nil},
		{"NS .", "REFUSED", nil},
		{"CH TXT version.bind", "REFUSED", nil},
		{"AXFR mesos", "no transfer", nil},
		{"+edns=7 +noednsnegotiation A master.mesos", "BADVERS", nil},
		{"+opcode=5 A master.mesos", "NOTIMP", nil},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			await(t, 10*time.Second, "the answer", func(context.Context) error {
				status, records := dig(t, servers[1], strings.Fields(test.args)...)
				if status != test.status || !slices.Equal(records, test.want) {
					return fmt.Errorf("got %s\n%s\nwant %s\n%s", status, strings.Join(records, "\n"), test.status, strings.Join(test.want, "\n"))
				}
				return nil
			})
		})
	}
	await(t, 10*time.Second, "the leader's names", func(context.Context) error {
		leader := leaderOf(t, c)
		_, addresses := dig(t, servers[1], "A", "leader.mesos")
		_, services := dig(t, servers[1], "SRV", "_http._tcp.leader.mesos")
		want := []string{"leader.mesos. A " + hosts.Host(1+slices.Index(c.Masters, leader)),
			"_http._tcp.leader.mesos. SRV 0 1 " + strconv.Itoa(hosts.API) + " " + leader.Name + ".master.mesos."}
		if got := slices.Concat(addresses, services); !slices.Equal(got, want) {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		return nil
	})
	metrics := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: c.Masters[1].API + "/metrics"})
	if !strings.Contains(string(metrics.Body), `gatehouse_dns_queries_total{rcode="REFUSED",type="other"}`) {
		t.Error("the metrics do not count what was refused")
	}
}

// Who stops leaves the answers of the others at once, who dies as soon as it does not answer; without a leader there is
// no leader to name, and the masters are still named.
func TestNamesFollowTheMasters(t *testing.T) {
	c, hosts, servers := answering(t)
	leader := leaderOf(t, c)
	at := slices.Index(c.Masters, leader)
	one, two := (at+1)%3, (at+2)%3
	others := []string{servers[one], servers[two]}
	both := slices.Sorted(slices.Values([]string{hosts.Host(one + 1), hosts.Host(two + 1)}))

	if err := leader.Freeze(); err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "names without the master that hangs", func(ctx context.Context) error { return namedAll(ctx, others, both...) })
	await(t, 20*time.Second, "the name of the new leader", func(ctx context.Context) error {
		got, err := rig.Resolver(others...).LookupHost(ctx, "leader.mesos.")
		if err == nil && (len(got) != 1 || !slices.Contains(both, got[0])) {
			err = fmt.Errorf("got %v", got)
		}
		return err
	})
	if err := leader.Thaw(); err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "names with it", func(ctx context.Context) error { return namedAll(ctx, servers, hosts.All(3)...) })

	if err := c.Masters[one].Stop(); err != nil {
		t.Fatal(err)
	}
	left := slices.Sorted(slices.Values([]string{hosts.Host(at + 1), hosts.Host(two + 1)}))
	await(t, 20*time.Second, "names without the one that stopped", func(ctx context.Context) error {
		return namedAll(ctx, []string{servers[at], servers[two]}, left...)
	})
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, 20*time.Second, "no leader", func(context.Context) error {
		status, records := dig(t, servers[two], "A", "leader.mesos")
		if status != "NOERROR aa" || len(records) != 1 || !strings.Contains(records[0], "SOA") {
			return fmt.Errorf("got %s %v, want no data", status, records)
		}
		return nil
	})
	if _, records := dig(t, servers[two], "A", "master.mesos"); !slices.Contains(records, "master.mesos. A "+hosts.Host(two+1)) {
		t.Errorf("without a leader master.mesos is %v", records)
	}
}

// byName is a client that knows the masters by a name alone. It resolves the name for every connection and tries its
// addresses one after the other.
func byName(t *testing.T, keep bool, servers ...string) *http.Client {
	transport := &http.Transport{DisableKeepAlives: !keep,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second, Resolver: rig.Resolver(servers...)}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 15 * time.Second}
}

// createAccounts creates service accounts one after the other and reads each back, with the Go client of the product. The
// function that it answers ends that, and wants every one to have come about.
func createAccounts(t *testing.T, c *client.Client) (end func()) {
	t.Helper()
	key := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	stop, ended := make(chan struct{}), make(chan error, 1)
	n := 0
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			uid := named(t, "account-"+strconv.Itoa(n))
			err := c.CreateUser(t.Context(), client.NewUser{UID: uid, PublicKey: key.PublicPEM})
			if err == nil {
				_, err = c.User(t.Context(), uid)
			}
			if err != nil {
				ended <- fmt.Errorf("after %d accounts: %w", n, err)
				return
			}
			n++
		}
	}()
	return func() {
		t.Helper()
		close(stop)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if list := must[[]client.User](t)(c.ServiceAccounts(t.Context())); n == 0 || len(list) != n {
			t.Errorf("%d accounts were created, %d are there", n, len(list))
		}
	}
}

// Clients that know nothing but master.mesos log in, write and read while one master after the other is restarted. They
// ask the masters' own DNS, or a dnsmasq that forwards to it, and do what careful clients do: they resolve the name
// again, wait for as long as they are told, and repeat writes under an Idempotency-Key. That gets every request through.
func TestHostileC27ARollingRestartByNameCostsNothing(t *testing.T) {
	c, hosts, servers := answering(t)
	lines := []string{"all-servers"}
	for i := range c.Masters {
		lines = append(lines, fmt.Sprintf("server=/mesos/%s#%d", hosts.Host(i+1), hosts.DNS))
	}
	forwarder := must[*rig.DNSMasq](t)(rig.StartDNSMasq(t.Context(), t.TempDir(), lines...))
	t.Cleanup(forwarder.Close)
	front := "http://" + net.JoinHostPort("master.mesos", strconv.Itoa(hosts.API))
	uid := named(t, "u")
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase"})

	var asks []*steady
	for _, h := range []*http.Client{byName(t, false, servers...), byName(t, true, servers...), byName(t, false, forwarder.Addr), byName(t, true, forwarder.Addr)} {
		via := rig.NewClientOf(h)
		if _, err := via.Login(t.Context(), front, uid, "a passphrase"); err != nil {
			t.Fatal(err)
		}
		ask := &steady{url: front + usersPath + "/" + uid, token: superuser(t, c), repeats: 9, waits: true, client: via}
		ask.start(t, 1)
		asks = append(asks, ask)
	}
	endAccounts := createAccounts(t, newClient(t, client.Options{Addresses: []string{front}, Credentials: client.Password(rig.Superuser, rig.SuperuserPassword),
		HTTPClient: byName(t, true, servers...)}))
	for _, m := range c.Masters {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
		startAll(t, m)
		if err := m.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		await(t, 20*time.Second, "all names again", func(ctx context.Context) error { return namedAll(ctx, servers, hosts.All(3)...) })
	}
	endAccounts()
	for i, ask := range asks {
		sent, failed := ask.end()
		if len(failed) > 0 || sent < 3 { // on a busy machine; usually hundreds
			t.Errorf("client %d: %d of %d requests failed; the first: %v", i, len(failed), sent, failed[:min(3, len(failed))])
		}
	}
	if _, err := rig.NewClientOf(byName(t, false, forwarder.Addr)).Login(t.Context(), front, uid, "a passphrase"); err != nil {
		t.Error(err)
	}
}
