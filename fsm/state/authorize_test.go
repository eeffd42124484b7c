package state

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"strconv"
	"testing"

	"gatehouse/fsm/iam"
)

// plain is who is in which group and may do what, in the plainest form.
type plain struct {
	members map[[2]string]bool // gid, uid
	grants  map[Grant]iam.Actions
}

func newPlain() plain { return plain{map[[2]string]bool{}, map[Grant]iam.Actions{}} }

func (p plain) clone() plain { return plain{maps.Clone(p.members), maps.Clone(p.grants)} }

// reasons are what Explain should find, unordered.
func (p plain) reasons(uid, rid string, action iam.Actions) map[iam.Path]bool {
	found := map[iam.Path]bool{}
	for g, actions := range p.grants {
		relevant := g.RID == iam.SuperuserRID || g.RID == rid && actions&(action|iam.Full) != 0
		switch {
		case !relevant:
		case !g.Group && g.Principal == uid:
			found[iam.Path{RID: g.RID, Actions: actions}] = true
		case g.Group && p.members[[2]string{g.Principal, uid}]:
			found[iam.Path{RID: g.RID, Actions: actions, GID: g.Principal}] = true
		}
	}
	return found
}

func (p plain) drop(gone func(uid, gid, rid string) bool) {
	maps.DeleteFunc(p.members, func(m [2]string, _ bool) bool { return gone(m[1], m[0], "") })
	maps.DeleteFunc(p.grants, func(g Grant, _ iam.Actions) bool {
		if g.Group {
			return gone("", g.Principal, g.RID)
		}
		return gone(g.Principal, "", g.RID)
	})
}

// scramble does one random thing to both.
func scramble(r *rand.Rand, t *Txn, p plain) {
	uid, gid, rid := someUser(r), someGroup(r), someResource(r)
	switch r.IntN(20) {
	case 0:
		t.DeleteUser(uid)
		p.drop(func(u, _, _ string) bool { return u == uid })
		t.PutUser(&iam.User{UID: uid})
	case 1:
		t.DeleteGroup(gid)
		p.drop(func(_, g, _ string) bool { return g == gid })
		t.PutGroup(&iam.Group{GID: gid})
	case 2:
		t.DeleteACL(rid)
		p.drop(func(_, _, r string) bool { return r == rid })
		t.PutACL(&iam.ACL{RID: rid})
	case 3:
		t.PutGroup(&iam.Group{GID: gid, Description: "replaced"})
	case 4, 5, 6:
		t.DeleteMembership(gid, uid)
		delete(p.members, [2]string{gid, uid})
	case 7, 8, 9, 10, 11, 12:
		t.PutMembership(gid, uid)
		p.members[[2]string{gid, uid}] = true
	default:
		g := Grant{RID: rid, Principal: uid, Group: r.IntN(3) > 0}
		if g.Group {
			g.Principal = gid
		}
		actions := iam.Actions(r.IntN(2*int(iam.AnyAction))) & iam.AnyAction &^ (iam.Full * iam.Actions(r.IntN(2)))
		delete(p.grants, g)
		if actions != 0 {
			p.grants[g] = actions
		}
		g.Actions = actions
		t.PutGrant(g)
	}
}

func someUser(r *rand.Rand) string { return "u" + strconv.Itoa(r.IntN(12)) }

func someGroup(r *rand.Rand) string { return "g" + strconv.Itoa(r.IntN(150)) }

func someResource(r *rand.Rand) string {
	if n := r.IntN(40); n < 12 {
		return "r" + strconv.Itoa(n)
	}
	return []string{"r", iam.SuperuserRID}[b2i(r.IntN(60) == 0)]
}

// sameVerdicts holds the decisions about a state against the plain form.
func sameVerdicts(t *testing.T, r *rand.Rand, f iam.Facts, p plain) {
	t.Helper()
	for range 60 {
		uid, rid, action := someUser(r), someResource(r), iam.Actions(1)<<r.IntN(5)
		reasons := p.reasons(uid, rid, action)
		if got := iam.Authorize(f, uid, rid, action); got != (len(reasons) > 0) {
			t.Fatalf("Authorize(%s, %s, %v) = %v, want the opposite for %v", uid, rid, action, got, reasons)
		}
		e := iam.Explain(f, uid, rid, action)
		superuser := false
		for reason := range reasons {
			superuser = superuser || reason.RID == iam.SuperuserRID
		}
		if e.Allowed != (len(reasons) > 0) || e.Superuser != superuser || superuser != iam.Superuser(f, uid) || len(e.Paths) != len(reasons) {
			t.Fatalf("Explain(%s, %s, %v) = %+v, want %v", uid, rid, action, e, reasons)
		}
		for _, path := range e.Paths {
			if !reasons[path] {
				t.Fatalf("Explain(%s, %s, %v) names %+v, want one of %v", uid, rid, action, path, reasons)
			}
		}
	}
}

func TestDecisionsFollowEveryChange(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, p := populated(), newPlain()
		for range 40 {
			before, beforeState := p.clone(), s
			txn := s.Begin()
			for range 1 + r.IntN(30) {
				txn.Next(s.Index())
				entry := p.clone()
				for range 1 + r.IntN(20) {
					scramble(r, txn, entry)
				}
				if r.IntN(4) == 0 {
					txn.Rollback()
				} else {
					p = entry
				}
			}
			sameVerdicts(t, r, txn, p)
			s = txn.Commit(s.Index() + 1)
			sameVerdicts(t, r, s, p)
			sameVerdicts(t, r, beforeState, before)
		}
		back, after := reloaded(t, s), p.clone()
		txn := back.Begin()
		for range 100 {
			scramble(r, txn, after)
		}
		sameVerdicts(t, r, txn.Commit(back.Index()+1), after)
		sameVerdicts(t, r, back, p)
	}
}

// populated has the users, groups and resources that scramble is about.
func populated() *State {
	t := New().Begin()
	for i := range 12 {
		t.PutUser(&iam.User{UID: "u" + strconv.Itoa(i)})
		t.PutACL(&iam.ACL{RID: "r" + strconv.Itoa(i)})
	}
	for i := range 150 {
		t.PutGroup(&iam.Group{GID: "g" + strconv.Itoa(i)})
	}
	t.PutACL(&iam.ACL{RID: "r"})
	t.PutACL(&iam.ACL{RID: iam.SuperuserRID})
	return t.Commit(1)
}

// reloaded is the state after a dump and a load.
func reloaded(t *testing.T, s *State) *State {
	t.Helper()
	var dump bytes.Buffer
	if _, err := s.WriteRecords(&dump); err != nil {
		t.Fatal(err)
	}
	l := NewLoader()
	for line := range bytes.Lines(dump.Bytes()) {
		if err := addLine(l, line); err != nil {
			t.Fatal(err)
		}
	}
	back, err := l.State(s.Index())
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestTheIndexHoldsNamesOfOneHash(t *testing.T) {
	const hash = 42
	type entry struct{ name int }
	is := func(name int) func(*entry) bool { return func(e *entry) bool { return e.name == name } }
	var full index[entry]
	for name := range 100 {
		full = full.with(nil, hash, is(name), &entry{name})
	}
	half := full
	for name := 0; name < 100; name += 2 {
		half = half.with(nil, hash, is(name), nil)
	}
	for name := range 100 {
		if e := full.get(hash, is(name)); e == nil || e.name != name {
			t.Errorf("%d is %v in the full index", name, e)
		}
		if e := half.get(hash, is(name)); (e == nil) != (name%2 == 0) {
			t.Errorf("%d is %v in the half index", name, e)
		}
	}
}
