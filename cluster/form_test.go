package cluster

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/cluster/disk"
)

func candidate(id string, expect int) hello { return hello{ID: id, Expect: expect} }

func member(id, clusterID string, servers ...string) hello {
	return hello{ID: id, Expect: 3, ClusterID: clusterID, Servers: servers}
}

func TestFormationDecidesOnlyWhatIsClear(t *testing.T) {
	abc := []string{"a", "b", "c"}
	promised := func(ids ...string) *disk.Promise { return &disk.Promise{Servers: ids} }
	for _, test := range []struct {
		name    string
		self    string
		promise *disk.Promise
		expect  int
		seeds   bool
		rounds  int
		peers   []hello
		propose []string
		adopt   string
		wait    string // part of the reason
		err     string
	}{
		{name: "alone, one expected", self: "a", expect: 1, propose: []string{"a"}},
		{name: "alone with seeds looks around first", self: "a", expect: 1, seeds: true, rounds: 1, wait: "looking for other masters"},
		{name: "alone with seeds, nobody there", self: "a", expect: 1, seeds: true, rounds: 9, propose: []string{"a"}},
		{name: "one expected, two there", self: "a", expect: 1, peers: []hello{candidate("b", 1)}, wait: "2 masters without a cluster were found, 1 are expected"},
		{name: "complete, lowest", self: "a", expect: 3, peers: []hello{candidate("b", 3), candidate("c", 3)}, propose: abc},
		{name: "complete, not lowest", self: "b", expect: 3, peers: []hello{candidate("a", 3), candidate("c", 3)}, wait: "waiting for master a"},
		{name: "one missing", self: "a", expect: 3, peers: []hello{candidate("b", 3)}, wait: "2 of 3"},
		{name: "one too many", self: "a", expect: 3, peers: []hello{candidate("b", 3), candidate("c", 3), candidate("d", 3)}, wait: "4 masters without a cluster were found, 3 are expected"},
		{name: "another expects another number", self: "a", expect: 3, peers: []hello{candidate("b", 3), candidate("c", 5)}, wait: "c () expects 5 masters and this one 3"},
		{name: "who only joins is no candidate", self: "a", expect: 3, peers: []hello{candidate("b", 3), candidate("c", 0)}, wait: "2 of 3"},
		{name: "no expectation", self: "a", peers: []hello{candidate("b", 3), candidate("c", 3)}, wait: "only joins"},
		{name: "a cluster exists", self: "d", expect: 3, peers: []hello{member("a", "X", abc...), candidate("e", 3)}, adopt: "X"},
		{name: "a cluster exists for one who only joins", self: "d", peers: []hello{member("a", "X", abc...)}, adopt: "X"},
		{name: "two clusters exist", self: "d", peers: []hello{member("a", "X", abc...), member("e", "Y", "e")}, wait: "two clusters"},
		{name: "the promised cluster was formed", self: "b", promise: promised(abc...), expect: 3, peers: []hello{member("a", clusterIDOf(abc), abc...)}, adopt: clusterIDOf(abc)},
		{name: "another than the promised cluster was formed", self: "b", promise: promised(abc...), expect: 3, peers: []hello{member("x", "X", "x", "y")}, wait: "promised to form another one"},
		{name: "the cluster knows this server, which knows nothing", self: "b", expect: 3, peers: []hello{member("a", "X", abc...)}, err: "as a member, but its log and votes are gone"},
		{name: "a cluster above our level", self: "d", peers: []hello{{ID: "a", ClusterID: "X", Servers: abc, Level: 9}}, err: "level 9"},
		{name: "members that do not know their configuration yet", self: "a", expect: 3, peers: []hello{{ID: "b", Expect: 3, ClusterID: "X"}, candidate("c", 3)}, propose: abc},
		{name: "the promise is asked for again while members are silent", self: "a", promise: promised(abc...), expect: 3, propose: abc},
		{name: "promised to another that is silent", self: "b", promise: promised(abc...), expect: 3, wait: "waits for a"},
		{name: "the lowest gives up a set for another", self: "a", promise: promised(abc...), expect: 3, peers: []hello{candidate("b", 3), candidate("d", 3)}, propose: []string{"a", "b", "d"}},
	} {
		o := outlook{self: disk.Identity{ServerID: test.self, Promise: test.promise}, expect: test.expect, maxLevel: 1, seeds: test.seeds, rounds: test.rounds, peers: test.peers}
		got := o.next()
		err := ""
		if got.err != nil {
			err = got.err.Error()
		}
		if !slices.Equal(got.propose, test.propose) || got.adopt != test.adopt || (got.wait == "") != (test.wait == "") || (err == "") != (test.err == "") ||
			!strings.Contains(got.wait, test.wait) || !strings.Contains(err, test.err) {
			t.Errorf("%s: propose %v, adopt %q, wait %q, err %q", test.name, got.propose, got.adopt, got.wait, err)
		}
	}
}

func TestPromiseIsGivenForOneSetToTheOneWhoMayFormIt(t *testing.T) {
	abc := []string{"a", "b", "c"}
	for _, test := range []struct {
		name     string
		promise  []string
		cluster  string
		peers    []hello
		proposer string
		servers  []string
		refuse   string // part of the reason; "" means it is given
	}{
		{name: "first", proposer: "a", servers: abc},
		{name: "again", promise: abc, proposer: "a", servers: abc},
		{name: "another set by the same proposer", promise: abc, proposer: "a", servers: []string{"a", "b", "d"}},
		{name: "another set by another proposer", promise: abc, proposer: "0", servers: []string{"0", "b", "c"}, refuse: "promised to form a cluster with a, b, c"},
		{name: "not the lowest", proposer: "c", servers: abc, refuse: "only the lowest"},
		{name: "in the name of another", proposer: "z", servers: abc, refuse: "only the lowest"},
		{name: "without this one", proposer: "a", servers: []string{"a", "c", "d"}, refuse: "not in the set"},
		{name: "too few", proposer: "a", servers: []string{"a", "b"}, refuse: "expects 3 masters, not 2"},
		{name: "none", proposer: "a", refuse: "expects 3"},
		{name: "twice the same", proposer: "a", servers: []string{"a", "b", "b"}, refuse: "twice"},
		{name: "not sorted", proposer: "b", servers: []string{"b", "a", "c"}, refuse: "not sorted"},
		{name: "has a cluster", cluster: "X", proposer: "a", servers: abc, refuse: "belongs to a cluster already"},
		{name: "sees another candidate", peers: []hello{candidate("d", 3)}, proposer: "a", servers: abc, refuse: "also sees d"},
		{name: "sees another number", peers: []hello{candidate("c", 5)}, proposer: "a", servers: abc, refuse: "expects 5"},
		{name: "sees a cluster", peers: []hello{member("x", "X", "x")}, proposer: "a", servers: abc, refuse: "cluster X exists"},
	} {
		o := outlook{self: disk.Identity{ServerID: "b", ClusterID: test.cluster}, expect: 3, maxLevel: 1, peers: test.peers}
		if test.promise != nil {
			o.self.Promise = &disk.Promise{Servers: test.promise}
		}
		got := o.refuse(test.proposer, test.servers)
		if (got == "") != (test.refuse == "") || !strings.Contains(got, test.refuse) {
			t.Errorf("%s: refused because %q, want %q", test.name, got, test.refuse)
		}
	}
}

func TestClusterIDIsAUUIDOfTheSet(t *testing.T) {
	if got, want := clusterIDOf([]string{"a", "b", "c"}), clusterIDOf([]string{"a", "b", "c"}); got != want || len(got) != 36 || got[14] != '8' || !validID(got) {
		t.Errorf("cluster id = %s", got)
	}
	if clusterIDOf([]string{"a", "bc"}) == clusterIDOf([]string{"ab", "c"}) {
		t.Error("different sets have one cluster id")
	}
}
