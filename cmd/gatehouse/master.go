package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/cluster"
	"gatehouse/cluster/disk"
	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/auditapi"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/declareapi"
	"gatehouse/httpapi/login/web"
	"gatehouse/keyring"
	"gatehouse/keyring/token"
)

// master is one running master: the replicated state, the cluster node and the keys, which
// know nothing of each other, and the API that they meet in.
type master struct {
	*means
	cfg  *config
	log  *slog.Logger
	exit func(int)

	machine *fsm.Machine
	sealed
	company
	node   *cluster.Node
	audit  *audit.Log // nil when there is none
	teller *auditTeller
	rules  *ruleFile
	server *httpapi.Server
	names  *names                 // nil unless --dns-listen is set
	status atomic.Pointer[status] // set when there is a node

	providers *web.Web // how identity providers are asked

	admin   door // the API listeners have doors of their own
	servers []*http.Server
	serving chan error // the first failure of a server
}

// wire builds the parts, the lowest first. It ends with the start line.
func (m *master) wire(ctx context.Context, stderr io.Writer) error {
	if err := m.openSealed(); err != nil {
		return err
	}
	m.machine = fsm.New(fsm.Options{Logger: m.log, MaxLevel: maxLevel, OnDivergence: m.fatal, OnPublish: m.published})
	m.follow(m.primaryKey)
	var err error
	if m.node, err = cluster.New(ctx, m.nodeConfig()); err != nil {
		return m.explain(err)
	}
	m.status.Store(&status{node: m.node, machine: m.machine})
	if m.listeners.dns != nil {
		m.names = newNames(m.cfg, m.listeners.dns, m.log)
	}
	if m.audit, err = openAudit(stderr, m.cfg, m.node.ID(), m.log); err != nil {
		return err
	}
	if m.rules, err = openRules(m.cfg.AuthorizeRules); err != nil {
		return fmt.Errorf("--authorize-rules: %w", err)
	}
	m.openDirectory()
	if m.server, err = m.newServer(); err != nil {
		return fmt.Errorf("build the API: %w", err)
	}
	m.teller = m.newTeller()
	m.admin.open(m.adminHandler())
	m.logStart()
	return nil
}

func (m *master) primaryKey() string { return m.machine.State().Meta().PrimaryKeyID }

// explain gives the likely cause of what looks like damage when the key file lacks a key, without the remedies for damage:
// nobody shall throw data away for a wrong key file.
func (m *master) explain(err error) error {
	if errors.Is(err, keyring.ErrUnknownKey) {
		var damage *disk.Damage
		if errors.As(err, &damage) && errors.Is(damage.Err, keyring.ErrUnknownKey) {
			err = fmt.Errorf("%s: %w", damage.File, damage.Err)
		}
		return fmt.Errorf("the key file %s lacks a key that this master's data are sealed by: use the one from before, or that of another master: %w",
			m.cfg.ClusterKeyFile, err)
	}
	return err
}

func (m *master) nodeConfig() cluster.Config {
	cfg, ls := m.cfg, m.listeners
	api := ls.first()
	host, port, _ := net.SplitHostPort(cfg.GossipListen)
	gossipPort, _ := strconv.Atoi(port) // checked
	gossip := &cluster.Gossip{BindAddr: host, Port: gossipPort, Advertise: cfg.GossipAdvertise, LookupHost: joinLookup(cfg.JoinResolver)}
	if gossip.Advertise == "" {
		gossip.Advertise = cfg.Advertise
	}
	join := make([]string, len(cfg.Join))
	for i, address := range cfg.Join {
		join[i] = withPort(address, cfg.GossipListen)
	}
	return cluster.Config{
		DataDir: cfg.DataDir, Name: cfg.Name, Version: version, MaxLevel: maxLevel,
		PeerListener:  ls.peer,
		PeerAdvertise: advertised(cfg.PeerAdvertise, cfg.Advertise, ls.peer),
		APIAdvertise:  api.spec.Scheme + "://" + advertised(cfg.APIAdvertise, cfg.Advertise, api),
		Gossip:        gossip,
		Join:          join,
		Expect:        cfg.Expect,
		Keys:          m.ring,
		KeyIDs:        m.ring.KeyIDs(),
		PrimaryKey:    m.primaryKey,
		Machine:       m.machine,
		BeginTerm:     m.beginTerm,
		Level:         func() int { return m.machine.State().Meta().Level },
		Removed:       func(id string) bool { return m.machine.State().Removed(id) },
		Unhealthy:     func() []string { return m.status.Load().unhealthy() },

		RaftMultiplier: cfg.RaftMultiplier,
		Disk:           disk.Options{Reserve: cfg.DiskReserve, LowWater: cfg.DiskLowWater},
		Logger:         m.log,
		Fatal:          m.fatal,
	}
}

// newServer builds the API over the parts.
func (m *master) newServer() (*httpapi.Server, error) {
	seam := clusterSeam{m.node}
	edition := httpapi.Edition(m.cfg.Edition)
	verifier := token.NewVerifier(0)
	routes := m.identityRoutes(verifier)
	routes = append(routes, declareapi.New(declareapi.Options{
		Submitter: submitSeam{m.machine, m.node}, Keys: m.ring, TokenLife: cutoff.LongestTokenLife, MinServiceKeyBits: m.cfg.MinServiceKeyBits})...)
	routes = append(routes, auditapi.New(auditapi.Options{Submitter: submitSeam{m.machine, m.node}, Log: m.audit, Master: m.node.ID()})...)
	routes = append(routes, m.secretRoutes()...)
	routes = append(routes, m.directoryAPI.Routes()...)
	policies := m.policies()
	return httpapi.New(httpapi.Options{
		Routes:         slices.Concat(routes, policies.Routes()),
		Cluster:        seam,
		Machine:        m.machine,
		Verifier:       verifierSeam{verifier},
		Status:         m.status.Load(),
		PeerOf:         cluster.PeerOf,
		Auditor:        m.audit,
		Logger:         m.log,
		Collectors:     append(m.collectors(), policies.Collectors()...),
		TrustedProxies: m.cfg.TrustedProxies,
		Edition:        edition,
		Authorization:  httpapi.Authorization(m.cfg.Authorization),
		AcceptBearer:   m.cfg.AcceptBearer,
		LoginMaxStale:  m.cfg.LoginMaxStale,
	})
}

func (m *master) collectors() []prometheus.Collector {
	all := append(m.node.Collectors(), newBuildCollector(m.machine), m.reencryptions, goCollector(), processCollector())
	all = append(all, m.names.collectors()...)
	all = append(all, m.keys.Collectors()...)
	all = append(all, m.watch.collectors()...)
	all = append(all, m.stores.Collectors()...)
	all = append(all, m.hub.Collectors()...)
	all = append(all, m.rules.collectors()...)
	all = append(all, m.directory.Collectors()...)
	all = append(all, m.providers.Collectors()...)
	all = append(all, m.directoryAPI.Collectors()...)
	if m.tls != nil {
		all = append(all, m.tls.collectors()...)
	}
	return all
}

// beginTerm encodes the entry with which this master opens a term when it leads. It takes the state's clock past those of
// all masters: cut-offs follow the state's clock, and so lie after whatever the leader before this one stamped, although
// that one's clock may have been ahead.
func (m *master) beginTerm(term uint64, leader string, now time.Time) []byte {
	if clock := m.machine.State().Meta().Clock; clock.After(now) {
		now = clock
	}
	entry, err := command.Encode(command.Header{Term: term, Time: now.UTC()}, command.BeginTerm{LeaderID: leader})
	if err != nil {
		panic("encode begin-term: " + err.Error()) // a number, a time and an id always encode
	}
	return entry
}

// now is the time for a command: never behind what the state has seen.
func (m *master) now() time.Time {
	now, clock := time.Now().UTC(), m.machine.State().Meta().Clock
	if now.Before(clock) {
		return clock
	}
	return now
}

// logStart is the line that says what runs here.
func (m *master) logStart() {
	ls := m.listeners
	m.log.Info("master starting",
		"version", version, "commit", buildCommit(), "go", runtime.Version(),
		"server_id", m.node.ID(), "cluster_id", m.node.ClusterID(),
		"cluster_level", m.node.Status().Level, "max_level", maxLevel,
		"key_ids", m.ring.KeyIDs(), "primary_key_id", m.ring.PrimaryID(),
		slog.Group("listeners", "api", ls.urls(), "peer", ls.peer.Addr().String(),
			"gossip", m.cfg.GossipListen, "admin", m.cfg.AdminSocket, "dns", ls.dns.address()),
		"data_dir", m.cfg.DataDir, "edition", m.cfg.Edition, "authorization", m.cfg.Authorization)
}
