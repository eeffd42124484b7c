package doctor

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"gatehouse/cluster"
)

// checkOwnAddress makes sure that what others are told leads here.
func checkOwnAddress(f *facts) []Finding {
	own := f.ownPeer()
	i := slices.IndexFunc(f.peers, func(p peerFact) bool { return p.address == own })
	self := f.self()
	switch {
	case i < 0 || self == "":
		return notChecked("it is not known who this master is")
	case f.daemon.via == "" && f.peers[i].err != nil:
		return notChecked("the master does not answer")
	case f.peers[i].err != nil && !errors.Is(f.peers[i].err, cluster.ErrNoProbe):
		return []Finding{problem(fmt.Sprintf("the address that others are told, %s, does not lead to this master's peer port: %s", own, why(f.peers[i].err)), "mend --advertise or --peer-advertise, or the firewall")}
	case f.peers[i].result.ID != self:
		return []Finding{problem(fmt.Sprintf("the address that others are told, %s, leads to another master, %s", own, label(f.peers[i].result)), "give this one its own --advertise")}
	}
	return ok("the address that others are told, " + own + ", leads here")
}

func checkNames(f *facts) (found []Finding) {
	if len(f.names) == 0 {
		return ok("no --join addresses are configured")
	}
	var good []string
	for _, n := range f.names {
		if n.err != nil {
			found = append(found, problem(fmt.Sprintf("the --join name %s does not resolve: %s", n.name, why(n.err)), "mend the name, or this host's resolver (/etc/resolv.conf)"))
			continue
		}
		good = append(good, n.String())
	}
	return otherwise(found, strings.Join(good, ", "))
}

// checkDNS asks the master's own DNS, if it has one.
func checkDNS(f *facts) (found []Finding) {
	if f.in.DNSListen == "" {
		return ok("this master answers no DNS (--dns-listen)")
	}
	if f.daemon.via == "" {
		return notChecked("the master does not answer")
	}
	var good []string
	for _, n := range f.dns {
		if n.err != nil {
			found = append(found, warning(fmt.Sprintf("DNS at %s has no answer for %s: %s", f.in.DNSListen, n.name, why(n.err)), "see the checks daemon and quorum; look for errors about DNS in the master's log"))
			continue
		}
		good = append(good, n.String())
	}
	return otherwise(found, strings.Join(good, ", "))
}

// String is the name with its addresses.
func (n nameFact) String() string {
	if len(n.addrs) == 1 && n.addrs[0] == n.name {
		return n.name
	}
	return fmt.Sprintf("%s is %s", n.name, strings.Join(n.addrs, " "))
}

func checkGossip(f *facts) (found []Finding) {
	tested := false
	for _, p := range f.ports {
		tested = tested || p.what == "gossip"
		switch {
		case p.err == nil:
		case p.what == "gossip":
			found = append(found, problem(fmt.Sprintf("the gossip port of %s, %s/tcp, does not answer: %s", p.master, p.address, why(p.err)), "open it between the masters"))
		case p.what == "gossip-udp":
			found = append(found, warning(fmt.Sprintf("the gossip port of %s, %s/udp, does not answer", p.master, p.address), "open it between the masters; without UDP, addresses that change are learnt late"))
		}
	}
	if !tested {
		return notChecked("no master answers that could be asked")
	}
	return otherwise(found, "every master that answers gossips over TCP and UDP")
}

// checkAPI connects to where masters say that their API is. Where this master serves its own on loopback only, behind a
// proxy of its host, the others do so too.
func checkAPI(f *facts) (found []Finding) {
	if len(f.in.API) > 0 && !slices.ContainsFunc(f.in.API, func(l Listener) bool { return !loopback(l.Address) }) && f.in.Advertise != "" && !loopback(net.JoinHostPort(f.in.Advertise, "0")) {
		return notChecked("the API listens on loopback, behind a proxy of each host")
	}
	tested := 0
	for _, p := range f.ports {
		if p.what != "api" {
			continue
		}
		tested++
		if p.err != nil {
			found = append(found, warning(fmt.Sprintf("the API of %s, %s, is not reachable from here: %s", p.master, p.address, why(p.err)), "open it, or mend --listen, --advertise or --api-advertise there"))
		}
	}
	if tested == 0 {
		return notChecked("no master answers that could be asked")
	}
	return otherwise(found, fmt.Sprintf("the API of %d masters is reachable from here", tested))
}

func loopback(address string) bool {
	host := hostOf(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

const (
	skewWarning = time.Second
	skewProblem = 5 * time.Second
)

func checkSkew(f *facts) (found []Finding) {
	others := f.others()
	most := time.Duration(0)
	for _, m := range others {
		skew := max(m.ClockAhead.Abs()-m.RoundTrip/2, 0) // at least
		most = max(most, skew)
		direction := "ahead of"
		if m.ClockAhead < 0 {
			direction = "behind"
		}
		text := fmt.Sprintf("the clock of %s is %v %s this host's", label(m), m.ClockAhead.Abs().Round(time.Millisecond), direction)
		do := "find out which of them is wrong and synchronise it (chrony, systemd-timesyncd): tokens and revocations carry times"
		switch {
		case skew > skewProblem:
			found = append(found, problem(text, do))
		case skew > skewWarning:
			found = append(found, warning(text, do))
		}
	}
	if len(others) == 0 {
		return notChecked("no other master answers")
	}
	return otherwise(found, fmt.Sprintf("the clocks of %d other masters are within %v of this host's", len(others), most.Round(time.Millisecond)))
}

func checkSync(f *facts) []Finding {
	switch {
	case f.clock.err != nil:
		return notChecked(fmt.Sprintf("the kernel does not tell (%v)", f.clock.err))
	case !f.clock.synchronised:
		return []Finding{warning("the kernel says that nothing synchronises this host's clock", "run chrony or systemd-timesyncd; in a virtual machine or container look at the host's")}
	}
	return ok(fmt.Sprintf("the clock is synchronised, at most %v off", f.clock.maxError.Round(time.Millisecond)))
}

func checkVersions(f *facts) []Finding {
	by := map[string][]string{}
	for _, m := range f.masters() {
		by[m.Version] = append(by[m.Version], label(m))
	}
	var parts []string
	for version, names := range by {
		slices.Sort(names)
		parts = append(parts, fmt.Sprintf("%s runs on %s", version, strings.Join(names, ", ")))
	}
	slices.Sort(parts)
	_, same := by[f.in.Version]
	switch {
	case len(by) == 0:
		return notChecked("no master says which version it runs")
	case len(by) > 1:
		return []Finding{warning("versions differ: "+strings.Join(parts, "; "), "finish the upgrade, one master after the other (docs/operating.md)")}
	case !same:
		return []Finding{warning(fmt.Sprintf("%s, and this program is %s", parts[0], f.in.Version), "right before an upgrade; otherwise run the program that the masters run")}
	}
	return ok("every master that answers runs " + f.in.Version)
}

func checkLevel(f *facts) []Finding {
	v := f.view()
	if v.ID == "" {
		return notChecked("there is no cluster that answers")
	}
	common := f.in.MaxLevel
	for _, m := range f.masters() {
		common = min(common, m.MaxLevel)
	}
	switch {
	case v.Level > f.in.MaxLevel:
		return []Finding{problem(fmt.Sprintf("the cluster is at level %d, and this program understands levels up to %d", v.Level, f.in.MaxLevel), "a master needs a newer version here")}
	case common > v.Level:
		return []Finding{warning(fmt.Sprintf("the cluster is at level %d, and every master that answers understands level %d", v.Level, common), "the leader raises it within seconds when all members answer; start or remove the missing ones")}
	}
	return ok(fmt.Sprintf("the cluster is at level %d, which every master that answers understands", v.Level))
}
