package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/disk"
	"gatehouse/keyring"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// answer is what a sound master says of itself.
func answer(ring *keyring.Ring, n int) cluster.ProbeResult {
	ids := []string{"id1", "id2", "id3"}
	return cluster.ProbeResult{
		ID: ids[n-1], Name: fmt.Sprintf("m%d", n), ClusterID: "c1", Address: fmt.Sprintf("10.0.0.%d:8102", n), Peer: fmt.Sprintf("10.0.0.%d:8102", n),
		Gossip: fmt.Sprintf("10.0.0.%d:8103", n), API: fmt.Sprintf("http://10.0.0.%d:8101", n), Version: "1.2.3", Level: 1, MaxLevel: 1,
		KeyIDs: ring.KeyIDs(), PrimaryKey: ring.PrimaryID(), State: cluster.StateFollower, Leader: "id2", Term: 7, Servers: ids, Voters: ids,
		Peers:      map[string]string{"id1": "10.0.0.1:8102", "id2": "10.0.0.2:8102", "id3": "10.0.0.3:8102"},
		Names:      map[string]string{"id1": "m1", "id2": "m2", "id3": "m3"},
		ClockAhead: time.Millisecond, RoundTrip: time.Millisecond,
	}
}

// sound are the facts of a master with which nothing is wrong.
func sound(t *testing.T) *facts {
	t.Helper()
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	f := &facts{
		now: noon,
		in: Input{KeyFile: "/etc/cluster.key", DataDir: "/data", AuditLog: "/var/log/audit", Advertise: "10.0.0.1", PeerListen: "10.0.0.1:8102", GossipListen: "10.0.0.1:8103",
			API: []Listener{{Address: "10.0.0.1:8101"}}, Join: []string{"master.mesos:8103"}, Version: "1.2.3", MaxLevel: 1, Expect: 3, AutoUnseal: "key-file"},
		key: keyFacts{mode: 0o400, uid: 99, ring: ring},
		dir: dirFacts{mode: 0o700, uid: 99, holder: 4711, identity: &disk.Identity{ServerID: "id1", ClusterID: "c1", Initialised: true},
			room: disk.Room{Free: 100 << 30, Total: 200 << 30, LowWater: 256 << 20, Type: 0xef53}, syncs: []time.Duration{time.Millisecond}},
		audit: auditFacts{writable: func(uid int) bool { return uid == 99 }, mode: 0o700, free: 100 << 30},
		daemon: daemonFacts{via: "/data/admin.sock", pid: 4711, uid: 99, strict: true,
			health: healthReport{Healthy: true, ID: "id1", State: "follower", Leader: "id2", Term: 7},
			limits: map[string]string{"Max core file size": "0", "Max locked memory": "8388608"},
			stores: map[string]float64{"gatehouse_store_sealed default": 0, "gatehouse_store_open default": 1, "gatehouse_store_epoch default": 2},
			metrics: map[string]float64{"process_max_fds": 65536, "process_open_fds": 40, "process_resident_memory_bytes": 100 << 20,
				"go_gc_gomemlimit_bytes": math.MaxInt64, "gatehouse_disk_log_last_index": 500, "gatehouse_disk_snapshot_index": 400, "gatehouse_disk_log_file_bytes": 1 << 20}},
		names: []nameFact{{"master.mesos", []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, nil}},
		clock: clockFacts{synchronised: true},
	}
	for n := 1; n <= 3; n++ {
		r := answer(ring, n)
		f.peers = append(f.peers, peerFact{address: r.Address, origin: "node.json", result: r})
		f.ports = append(f.ports, portFact{"gossip", r.Name, r.Gossip, nil}, portFact{"gossip-udp", r.Name, r.Gossip, nil}, portFact{"api", r.Name, r.Address, nil})
	}
	return f
}

func TestASoundMasterHasNoFindings(t *testing.T) {
	r := judge(sound(t))
	for _, f := range r.Findings {
		if f.Status != OK && f.Check != "data-damage" {
			t.Errorf("%s: %s: %s", f.Check, f.Status, f.Found)
		}
	}
	if r.Problems+r.Warnings != 0 || len(r.Findings) != len(checks) {
		t.Errorf("%d problems, %d warnings, %d findings of %d checks", r.Problems, r.Warnings, len(r.Findings), len(checks))
	}
}

// refused is how a dial to a closed port fails.
var refused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

func TestEveryPlantedFaultIsFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		plant  func(*facts)
		check  string
		status Status
		text   string // in what was found or what to do
	}{
		{"wrong settings", func(f *facts) { f.in.Problems = []string{"--expect: 99", "--name: bad"} }, "config", Problem, "--name: bad"},
		{"no key file", func(f *facts) { f.key = keyFacts{err: errors.New("cluster key file x: not there")} }, "key-file", Problem, "not there"},
		{"unreadable key file", func(f *facts) { f.key = keyFacts{err: fs.ErrPermission, uid: 99} }, "key-file", NotChecked, "run this as root"},
		{"key file of another user", func(f *facts) { f.key.uid = 0 }, "key-file", Problem, "chown 99 /etc/cluster.key"},
		{"no data directory", func(f *facts) { f.dir = dirFacts{missing: true, err: fs.ErrNotExist} }, "data-dir", Warning, "is not there"},
		{"open data directory", func(f *facts) { f.dir.mode = 0o755 }, "data-dir", Warning, "0755"},
		{"data of another user", func(f *facts) { f.dir.uid = 0 }, "data-dir", Problem, "chown -R 99"},
		{"two daemons", func(f *facts) { f.dir.holder = 12 }, "data-dir", Problem, "process 12"},
		{"damaged identity", func(f *facts) { f.dir.identity, f.dir.identityErr = nil, errors.New("node.json: is damaged") }, "data-dir", Problem, "is damaged"},
		{"damage", func(f *facts) {
			f.dir.inspected, f.dir.damage = true, &disk.Damage{File: "/data/raft.db", Problem: "is damaged", Remedy: "move it away"}
		}, "data-damage", Problem, "raft.db: is damaged"},
		{"data of another key file", func(f *facts) {
			f.dir.inspected, f.dir.damage = true, &disk.Damage{File: "/data/raft.db", Problem: "is damaged", Err: keyring.ErrUnknownKey, Remedy: "move it away"}
		}, "data-damage", Problem, "do not touch the data directory"},
		{"full disk", func(f *facts) { f.dir.room.Free = 1 << 20 }, "disk-room", Problem, "changes are refused"},
		{"nearly full disk", func(f *facts) { f.dir.room.Free = 300 << 20 }, "disk-room", Warning, "make room"},
		{"hanging disk", func(f *facts) { f.dir.roomErr, f.dir.syncErr = context.DeadlineExceeded, context.DeadlineExceeded }, "disk-room", Problem, "dmesg"},
		{"hanging sync", func(f *facts) { f.dir.syncErr = context.DeadlineExceeded }, "disk-speed", Problem, "longer than 3 s"},
		{"slow disk", func(f *facts) { f.dir.syncs = []time.Duration{30 * time.Millisecond} }, "disk-speed", Warning, "30ms"},
		{"very slow disk", func(f *facts) { f.dir.syncs = []time.Duration{time.Second} }, "disk-speed", Problem, "1s"},
		{"tmpfs", func(f *facts) { f.dir.room.Type = 0x01021994 }, "disk-type", Warning, "tmpfs"},
		{"NFS", func(f *facts) { f.dir.room.Type = 0x6969 }, "disk-type", Warning, "NFS"},
		{"audit log of root", func(f *facts) { f.audit.writable = func(uid int) bool { return uid == 0 } }, "audit-log", Problem, "not writable for user 99"},
		{"audit log blocked", func(f *facts) { f.daemon.metrics["gatehouse_audit_blocked"] = 1 }, "audit-log", Problem, "changes are refused"},
		{"audit log without room", func(f *facts) { f.audit.free = 1 << 20 }, "audit-log", Warning, "1 MiB are left"},
		{"audit log open to all", func(f *facts) { f.audit.mode = 0o755 }, "audit-log", Warning, "chmod 0700"},
		{"audit records lost", func(f *facts) { f.daemon.metrics["gatehouse_audit_lost_total"] = 7 }, "audit-log", Warning, "7 audit records"},
		{"no audit log", func(f *facts) { f.in.AuditLog = "off" }, "audit-log", Warning, "no audit records"},
		{"audit log without directory", func(f *facts) { f.audit.err = fs.ErrNotExist }, "audit-log", Problem, "cannot be used"},
		{"daemon stopped", func(f *facts) { f.daemon, f.dir.stopped = daemonFacts{uid: -1}, true }, "daemon", Problem, "kill -CONT"},
		{"daemon down", func(f *facts) { f.daemon, f.dir.holder = daemonFacts{uid: -1}, 0 }, "daemon", Problem, "does not run"},
		{"daemon silent", func(f *facts) { f.daemon = daemonFacts{uid: -1, err: fs.ErrPermission} }, "daemon", Problem, "process 4711"},
		{"daemon unhealthy", func(f *facts) {
			f.daemon.health = healthReport{Reasons: []string{"low on disk space"}}
		}, "daemon", Problem, "low on disk space"},
		{"no confirmed reads", func(f *facts) { f.daemon.strict = false }, "daemon", Problem, "does not confirm"},
		{"one down", func(f *facts) { f.peers[2].err, f.peers[2].result = refused, cluster.ProbeResult{} }, "masters", Problem, "m3, server id3, does not answer on 10.0.0.3:8102: connection refused"},
		{"one down weakens", func(f *facts) { f.peers[2].err = refused }, "quorum", Warning, "2 of 3"},
		{"two down", func(f *facts) { f.peers[1].err, f.peers[2].err = refused, refused }, "quorum", Problem, "1 of 3"},
		{"no leader", func(f *facts) { each(f, func(r *cluster.ProbeResult) { r.Leader = "" }) }, "quorum", Problem, "none of them leads"},
		{"all of an old version", func(f *facts) {
			for i := range f.peers {
				f.peers[i].err, f.peers[i].result = cluster.ErrNoProbe, cluster.ProbeResult{ID: f.peers[i].result.ID}
			}
		}, "quorum", NotChecked, "cannot be asked"},
		{"one of an old version", func(f *facts) {
			f.peers[2].err, f.peers[2].result = cluster.ErrNoProbe, cluster.ProbeResult{ID: "id3"}
		}, "quorum", OK, "3 of 3"},
		{"two voters", func(f *facts) { each(f, func(r *cluster.ProbeResult) { r.Voters = r.Voters[:2] }) }, "quorum", Warning, "add a third"},
		{"no cluster yet", func(f *facts) {
			each(f, func(r *cluster.ProbeResult) { r.Servers, r.Voters, r.ClusterID = nil, nil, "" })
		}, "quorum", Warning, "3 are expected"},
		{"removed member down", func(f *facts) {
			f.peers = append(f.peers, peerFact{address: "10.0.0.9:8102", origin: fromFile, err: refused})
		}, "masters", OK, "2 other masters"},
		{"unknown member", func(f *facts) {
			each(f, func(r *cluster.ProbeResult) { r.Servers = []string{"id1", "id2", "id3", "id4"} })
		}, "masters", Problem, "id4"},
		{"something else there", func(f *facts) { f.peers[2].err = cluster.ErrNotAMaster }, "masters", Problem, "something else"},
		{"old version there", func(f *facts) { f.peers[2].err = cluster.ErrNoProbe }, "masters", Warning, "finish the upgrade"},
		{"draining", func(f *facts) { f.peers[1].result.Unhealthy = []string{"draining"} }, "masters", Warning, "m2 does not serve clients: draining"},
		{"lagging", func(f *facts) { f.peers[1].result.Applied = 10000 }, "masters", Warning, "m3 is 10000 changes behind"},
		{"foreign key", func(f *facts) {
			f.peers[2].err, f.peers[2].result = cluster.ErrForeignKey, cluster.ProbeResult{ID: "id3"}
		}, "keys", Problem, "10.0.0.3:8102 (it calls itself id3)"},
		{"a key less there", func(f *facts) { f.peers[2].result.KeyIDs = nil }, "keys", Warning, "m3 lacks the key"},
		{"a key more there", func(f *facts) { f.peers[2].result.KeyIDs = append(f.key.ring.KeyIDs(), "new") }, "keys", Warning, "m3 has the key new"},
		{"daemon with old file", func(f *facts) { f.peers[0].result.KeyIDs = []string{"old"} }, "keys", Warning, "restart it"},
		{"primary lacking", func(f *facts) { f.peers[1].result.PrimaryKey = "new" }, "keys", Problem, "lacks the key new"},
		{"another cluster", func(f *facts) { f.peers[2].result.ClusterID = "c2" }, "cluster-id", Problem, "belongs to cluster c2"},
		{"no member", func(f *facts) {
			each(f, func(r *cluster.ProbeResult) { r.Servers = []string{"id2", "id3"} })
		}, "cluster-id", Problem, "does not have this server"},
		{"own address closed", func(f *facts) { f.peers[0].err = refused }, "own-address", Problem, "does not lead"},
		{"own address elsewhere", func(f *facts) { f.peers[0].result.ID = "id9" }, "own-address", Problem, "leads to another master"},
		{"name", func(f *facts) { f.names[0] = nameFact{"master.mesos", nil, &net.DNSError{Err: "no such host"}} }, "names", Problem, "master.mesos does not resolve: no such host"},
		{"own DNS", func(f *facts) {
			f.in.DNSListen, f.dns = ":53", []nameFact{{"leader.mesos", nil, &net.DNSError{Err: "no such host"}}}
		}, "dns", Warning, "no answer for leader.mesos: no such host"},
		{"gossip tcp", func(f *facts) { f.ports[0].err = refused }, "gossip", Problem, "/tcp"},
		{"gossip udp", func(f *facts) { f.ports[1].err = refused }, "gossip", Warning, "/udp"},
		{"api", func(f *facts) { f.ports[5].err = refused }, "api", Warning, "the API of m2"},
		{"skew", func(f *facts) { f.peers[1].result.ClockAhead = -1700 * time.Millisecond }, "clock-skew", Warning, "m2 is 1.7s behind"},
		{"great skew", func(f *facts) { f.peers[1].result.ClockAhead = time.Hour }, "clock-skew", Problem, "1h0m0s ahead of"},
		{"no synchronisation", func(f *facts) { f.clock.synchronised = false }, "clock-sync", Warning, "chrony"},
		{"mixed versions", func(f *facts) { f.peers[1].result.Version = "1.2.2" }, "versions", Warning, "1.2.2 runs on m2; 1.2.3 runs on m1, m3"},
		{"other program", func(f *facts) { f.in.Version = "9" }, "versions", Warning, "this program is 9"},
		{"old program", func(f *facts) { each(f, func(r *cluster.ProbeResult) { r.Level, r.MaxLevel = 2, 2 }) }, "level", Problem, "newer version"},
		{"level to raise", func(f *facts) {
			f.in.MaxLevel = 2
			each(f, func(r *cluster.ProbeResult) { r.MaxLevel = 2 })
		}, "level", Warning, "understands level 2"},
		{"few files", func(f *facts) { f.daemon.metrics["process_max_fds"] = 1024 }, "open-files", Warning, "LimitNOFILE"},
		{"files used up", func(f *facts) { f.daemon.metrics["process_open_fds"] = 60000 }, "open-files", Problem, "60000"},
		{"no memory", func(f *facts) { f.daemon.memory = 101 << 20 }, "memory", Problem, "MemoryMax"},
		{"no soft limit", func(f *facts) { f.daemon.memory = 1 << 30 }, "memory", Warning, "GOMEMLIMIT"},
		{"wrong soft limit", func(f *facts) {
			f.daemon.memory, f.daemon.metrics["go_gc_gomemlimit_bytes"] = 1<<30, 2<<30
		}, "memory", Warning, "GOMEMLIMIT is 2.0 GiB"},
		{"little locked memory", func(f *facts) { f.daemon.limits["Max locked memory"] = "65536" }, "locked-memory", Warning, "LimitMEMLOCK"},
		{"unlimited locked memory", func(f *facts) { f.daemon.limits["Max locked memory"] = "unlimited" }, "locked-memory", OK, "locked"},
		{"unknown limits", func(f *facts) { f.daemon.limits = nil }, "locked-memory", NotChecked, "cannot be read"},
		{"no auto-unseal", func(f *facts) { f.in.AutoUnseal = "off" }, "auto-unseal", OK, "only with shares"},
		{"auto-unseal without key file", func(f *facts) { f.key = keyFacts{err: fs.ErrNotExist} }, "auto-unseal", NotChecked, "see key-file"},
		{"token without library", func(f *facts) { f.in.AutoUnseal, f.token = "pkcs11", fs.ErrNotExist }, "auto-unseal", Problem, "does not start again"},
		{"token that nobody tells of", func(f *facts) { f.in.AutoUnseal = "pkcs11" }, "auto-unseal", NotChecked, "does not tell"},
		{"token that fails", func(f *facts) {
			f.in.AutoUnseal, f.daemon.metrics["gatehouse_auto_unseal_working"] = "pkcs11", 0
		}, "auto-unseal", Problem, "does not work now"},
		{"token that works", func(f *facts) {
			f.in.AutoUnseal, f.daemon.metrics["gatehouse_auto_unseal_working"] = "pkcs11", 1
		}, "auto-unseal", OK, "open by themselves"},
		{"sealed store", func(f *facts) { f.daemon.stores["gatehouse_store_sealed default"] = 1 }, "stores", Warning, "operator unseal"},
		{"store without keys", func(f *facts) { f.daemon.stores["gatehouse_store_open default"] = 0 }, "stores", Problem, "has no keys"},
		{"no stores", func(f *facts) { f.daemon.stores = nil }, "stores", NotChecked, "any store"},
		{"core dumps", func(f *facts) { f.daemon.limits["Max core file size"] = "unlimited" }, "core-dumps", Problem, "LimitCORE=0"},
		{"no snapshots", func(f *facts) { f.daemon.metrics["gatehouse_disk_log_last_index"] = 1e6 }, "snapshots", Warning, "999600 log entries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sound(t)
			c.plant(f)
			r := judge(f)
			hit := slices.ContainsFunc(r.Findings, func(f Finding) bool {
				return f.Check == c.check && f.Status == c.status && strings.Contains(f.Found+"\n"+f.Do, c.text)
			})
			if !hit {
				t.Errorf("no %s of %s with %q in %+v", c.status, c.check, c.text, r.Findings)
			}
			if c.status == Problem && r.Problems == 0 || c.status == Warning && r.Warnings == 0 {
				t.Errorf("the report counts %d problems and %d warnings", r.Problems, r.Warnings)
			}
		})
	}
}

// each changes what every master says.
func each(f *facts, change func(*cluster.ProbeResult)) {
	for i := range f.peers {
		change(&f.peers[i].result)
	}
}

// Without a key file, an answer or a directory there is little to say, and nothing panics.
func TestNothingKnownIsNoPanic(t *testing.T) {
	r := judge(&facts{now: noon, audit: auditFacts{writable: func(int) bool { return true }, free: -1}, key: keyFacts{err: fs.ErrNotExist}, dir: dirFacts{missing: true, err: fs.ErrNotExist}})
	if r.Problems == 0 {
		t.Error("a master without anything has no problem")
	}
}

func TestReportsAreOneLineAFindingAndValidJSON(t *testing.T) {
	f := sound(t)
	f.peers[2].result.Name, f.peers[2].result.Version = "evil\nok  all is well\x1b[2J", "0"
	r := judge(f)
	var text, object bytes.Buffer
	if err := errors.Join(r.Text(&text), r.JSON(&object)); err != nil {
		t.Fatal(err)
	}
	if s := text.String(); strings.Contains(s, "\nok  all") || strings.Contains(s, "\x1b") || !strings.Contains(s, "1 warnings, 0 problems") {
		t.Errorf("text report:\n%s", s)
	}
	var back Report
	if err := json.Unmarshal(object.Bytes(), &back); err != nil || len(back.Findings) != len(r.Findings) {
		t.Errorf("JSON report: %v\n%s", err, object.String())
	}
	for _, secret := range []string{"PRIVATE KEY", string(f.key.ring.DerivePrimary("x", 32))} {
		if strings.Contains(text.String()+object.String(), secret) {
			t.Error("the report holds a secret")
		}
	}
}
