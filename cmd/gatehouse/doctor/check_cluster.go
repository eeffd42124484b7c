package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/cluster"
)

func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func checkDaemon(f *facts) []Finding {
	d := f.daemon
	switch {
	case d.via == "" && f.dir.stopped:
		return []Finding{problem(fmt.Sprintf("somebody has stopped the master, process %d", f.dir.holder), fmt.Sprintf("kill -CONT %d, or end it and start it anew", f.dir.holder))}
	case d.via == "" && f.dir.holder != 0:
		return []Finding{problem(fmt.Sprintf("process %d has the data directory, but does not answer: %v", f.dir.holder, d.err),
			"run this as root or as the master's user; if that does not help, look at the master's log")}
	case d.via == "":
		return []Finding{problem("the master on this host does not run", "start it; if it ends at once, the last line of its log, `master failed`, says why")}
	case !d.health.Healthy:
		return []Finding{problem("the master does not serve clients: "+strings.Join(d.health.Reasons, "; "), "see the table of reasons in docs/operating.md")}
	case !d.strict:
		return []Finding{problem("the cluster does not confirm reads to this master", "see the checks quorum and masters")}
	}
	return ok(fmt.Sprintf("the master runs, is %s in term %d and serves clients", d.health.State, d.health.Term))
}

// view is the configuration that the most recent answer tells of.
func (f *facts) view() (newest cluster.ProbeResult) {
	for _, m := range f.masters() {
		if len(m.Servers) > 0 && (m.Term > newest.Term || m.Term == newest.Term && m.State == cluster.StateLeader || newest.ID == "") {
			newest = m
		}
	}
	return newest
}

func checkQuorum(f *facts) []Finding {
	if f.key.ring == nil {
		return notChecked("the masters cannot be asked without the key file")
	}
	v := f.view()
	if v.ID == "" {
		return f.notFormed()
	}
	alive := 0
	for _, id := range v.Voters {
		if f.alive(id) {
			alive++
		}
	}
	need := len(v.Voters)/2 + 1
	seen := fmt.Sprintf("%d of %d voting masters answer", alive, len(v.Voters))
	switch {
	case alive < need:
		return []Finding{problem(fmt.Sprintf("%s, %d are needed for logins and changes", seen, need), "start the others, or let this host reach their peer ports")}
	case v.Leader == "":
		return []Finding{problem(seen+", but none of them leads", "wait for an election (seconds); if it does not end, look at the peer ports between the masters")}
	case len(v.Voters) == 2:
		return []Finding{warning("there are two voting masters: losing either stops logins and changes", "add a third")}
	case alive == need && alive < len(v.Voters):
		return []Finding{warning(seen+"; losing one more stops logins and changes", "start the others, or replace them (docs/operating.md)")}
	}
	return ok(seen + "; " + f.nameOf(v.Leader) + " leads")
}

// notFormed is for answers of masters that have no cluster yet, and for no answer at all.
func (f *facts) notFormed() []Finding {
	n := len(f.masters())
	if n == 0 && f.anyOld() {
		return notChecked("the masters run a version that cannot be asked")
	}
	if n == 0 {
		return []Finding{problem("no master answers on its peer port", "see the checks daemon and masters")}
	}
	return []Finding{warning(fmt.Sprintf("%d masters answer, and there is no cluster yet; %d are expected here", n, f.in.Expect), "start the others with the same --expect and --join; gatehouse health says what is missing")}
}

// anyOld reports whether a master answers whose version is too old to be asked.
func (f *facts) anyOld() bool {
	return slices.ContainsFunc(f.peers, func(p peerFact) bool { return errors.Is(p.err, cluster.ErrNoProbe) })
}

// nameOf is the name of a server, as far as it or another knows it.
func (f *facts) nameOf(id string) string {
	if r, answers := f.answered(id); answers {
		return label(r)
	}
	if name := f.view().Names[id]; name != "" {
		return name + ", server " + id + ","
	}
	return id
}

// checkMasters tells which peer ports do not answer, and a master with a foreign key file from one that is down.
func checkMasters(f *facts) (found []Finding) {
	if f.key.ring == nil {
		return notChecked("the masters cannot be asked without the key file")
	}
	for _, p := range f.peers {
		if p.err != nil && p.address != f.ownPeer() {
			found = append(found, f.silent(p)...)
		}
	}
	found = append(found, f.ailing()...)
	v := f.view()
	for _, id := range v.Servers {
		known := v.Peers[id] != "" || id == v.ID
		if !f.alive(id) && !known {
			found = append(found, problem(fmt.Sprintf("nobody knows the address of server %s, a member of the cluster", id), "start it, or take it out if it is lost (docs/operating.md, Replace)"))
		}
	}
	if n := len(f.others()); n > 0 || len(found) > 0 {
		return otherwise(found, fmt.Sprintf("%d other masters answer on their peer ports", n))
	}
	return ok("there are no other masters")
}

// farBehind is the number of entries by which a master may lag without being mentioned.
const farBehind = 5000

// ailing tells which of the other masters answer but are not well.
func (f *facts) ailing() (found []Finding) {
	lead := uint64(0)
	for _, m := range f.masters() {
		lead = max(lead, m.Applied)
	}
	for _, m := range f.others() {
		if len(m.Unhealthy) > 0 {
			found = append(found, warning(fmt.Sprintf("%s does not serve clients: %s", label(m), strings.Join(m.Unhealthy, "; ")), "see the table of reasons in docs/operating.md"))
		}
		if m.Applied+farBehind < lead {
			found = append(found, warning(fmt.Sprintf("%s is %d changes behind", label(m), lead-m.Applied), "wait while it catches up; if it does not, look at its disk and its log"))
		}
	}
	return found
}

// silent says what it means that an address did not answer as a master of ours.
func (f *facts) silent(p peerFact) []Finding {
	switch {
	case errors.Is(p.err, cluster.ErrForeignKey):
		return nil // see the check keys
	case errors.Is(p.err, cluster.ErrNoProbe):
		return []Finding{warning("the master at "+p.address+" runs a version that cannot be asked", "finish the upgrade")}
	case errors.Is(p.err, cluster.ErrNotAMaster):
		return []Finding{problem(fmt.Sprintf("at %s, known from %s, something else than a master answers", p.address, p.origin), "look at --peer-listen, --peer-advertise and --join")}
	case f.elsewhere(p), p.origin == fromFile && f.view().ID != "" && !f.member(p.address):
		return nil // it moved, or is no member any more
	}
	found := fmt.Sprintf("%s does not answer on %s: %s", f.masterAt(p.address), p.address, why(p.err))
	do := "start it, or open its peer port to the other masters; if it is lost, replace it (docs/operating.md)"
	if p.sure || f.member(p.address) {
		return []Finding{problem(found, do)}
	}
	return []Finding{warning(fmt.Sprintf("%s (known from %s)", found, p.origin), do)}
}

// member reports whether a member of the cluster is said to live at an address.
func (f *facts) member(address string) bool {
	v := f.view()
	return slices.ContainsFunc(v.Servers, func(id string) bool { return v.Peers[id] == address })
}

// masterAt is what is known of who should be at an address.
func (f *facts) masterAt(address string) string {
	for id, at := range f.view().Peers {
		if at == address && slices.Contains(f.view().Servers, id) {
			return "master " + f.nameOf(id)
		}
	}
	return "a master"
}

// elsewhere reports that whoever was looked for at an address answers at another one: it moved, or a guess from the
// join addresses was wrong.
func (f *facts) elsewhere(p peerFact) bool {
	if f.dir.identity != nil {
		for id, at := range f.dir.identity.Peers {
			if _, answers := f.answered(id); at == p.address && answers {
				return true
			}
		}
	}
	if !strings.HasPrefix(p.origin, "--join") {
		return false
	}
	return slices.ContainsFunc(f.masters(), func(m cluster.ProbeResult) bool {
		return hostOf(m.Address) == hostOf(p.address) && m.Address != p.address && !f.member(p.address)
	})
}

// checkKeys compares the key file with what the others say of theirs.
func checkKeys(f *facts) (found []Finding) {
	if f.key.ring == nil {
		return notChecked("there is no key file to compare")
	}
	own := f.key.ring.KeyIDs()
	foreign := 0
	for _, p := range f.peers {
		if errors.Is(p.err, cluster.ErrForeignKey) {
			foreign++
			found = append(found, problem(fmt.Sprintf("the master at %s (it calls itself %s) has a key file that shares no key with %s", p.address, p.result.ID, f.in.KeyFile),
				"find out which of the two is right, copy that file to the other (mode 0400 or 0600) and restart the master there"))
		}
	}
	for _, m := range f.masters() {
		found = append(found, f.compareKeys(m, own)...)
	}
	if n := len(f.others()); n == 0 && foreign == 0 {
		return append(found, notChecked("no other master answers, or says which keys it has")...)
	}
	return otherwise(found, fmt.Sprintf("all masters that answer have the keys %v", own))
}

func (f *facts) compareKeys(m cluster.ProbeResult, own []string) (found []Finding) {
	if m.PrimaryKey != "" && !slices.Contains(own, m.PrimaryKey) {
		found = append(found, problem(fmt.Sprintf("%s lacks the key %s, with which the cluster seals", f.in.KeyFile, m.PrimaryKey), "copy the key file of a master that has it, before this one is restarted"))
	}
	missing, surplus := without(own, m.KeyIDs), without(m.KeyIDs, own)
	if m.ID == f.self() {
		if len(missing)+len(surplus) > 0 {
			found = append(found, warning(fmt.Sprintf("the running master has the keys %v, and %s holds %v", m.KeyIDs, f.in.KeyFile, own), "restart it when the file is as it should be"))
		}
		return found
	}
	if len(missing) > 0 {
		found = append(found, warning(fmt.Sprintf("%s lacks the key %s of this host's file", label(m), strings.Join(missing, ", ")), "copy the file there and restart it (docs/operating.md, Change the cluster key)"))
	}
	if len(surplus) > 0 {
		found = append(found, warning(fmt.Sprintf("%s has the key %s, which this host's file lacks", label(m), strings.Join(surplus, ", ")), "copy its file here and restart this master, or drop the key there"))
	}
	return found
}

// without are the elements of a that b lacks.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

func checkClusterID(f *facts) (found []Finding) {
	id := f.dir.identity
	own := ""
	if id != nil {
		own = id.ClusterID
	}
	for _, m := range f.others() {
		switch {
		case own == "":
			own = m.ClusterID
		case m.ClusterID != "" && m.ClusterID != own:
			found = append(found, problem(fmt.Sprintf("%s at %s belongs to cluster %s, and this master to %s", label(m), m.Address, m.ClusterID, own),
				"mend --join; to move a master to another cluster, move its data directory away first"))
		}
	}
	v := f.view()
	if id != nil && len(f.others()) > 0 && v.ClusterID == id.ClusterID && len(v.Servers) > 0 && !slices.Contains(v.Servers, id.ServerID) {
		found = append(found, problem(fmt.Sprintf("the cluster does not have this server, %s, as a member", id.ServerID),
			"if it was removed, move its data directory away and start it as a new master; if it is just joining, wait"))
	}
	if own == "" {
		return append(found, notChecked("there is no cluster yet")...)
	}
	return otherwise(found, "all belong to cluster "+own)
}
