package doctor

import (
	"context"
	"time"

	"gatehouse/keyring/autounseal"
)

// Input is what is known of the master that Run examines. It comes from its configuration; see docs/operating.md for
// the settings.
type Input struct {
	Problems []string // of the configuration, which may be usable in part nevertheless

	KeyFile, DataDir, AdminSocket string
	AuditLog                      string // "-": standard error
	LowWater                      int64  // bytes; 0 chooses by the disk's size

	API           []Listener // where the API is served
	Advertise     string     // host that others are told; "" where it listens
	APIAdvertise  string     // host:port
	PeerListen    string     // host:port
	PeerAdvertise string     // host:port
	GossipListen  string     // host:port
	Join          []string   // gossip addresses, host:port
	Peers         []string   // further peer ports to ask, host:port
	Expect        int
	DNSListen     string   // host:port of the master's own DNS; "" for none
	DNSNames      []string // that it answers, in full
	// LookupHost resolves the hosts in Join.
	LookupHost func(ctx context.Context, host string) ([]string, error)

	TLSCert, TLSKey, TLSCAFile string // files; "" for none
	TLSAuto                    bool   // the master makes its own certificate

	AutoUnseal string             // key-file, pkcs11 or off
	PKCS11     autounseal.Options // of the token, with pkcs11

	Version  string // of this binary
	MaxLevel int
}

// Listener is one address of the API.
type Listener struct {
	Address string // host:port
	TLS     bool
	Proxy   bool // wants a PROXY protocol header first
}

// Status is how bad a finding is.
type Status string

// The statuses, the best first.
const (
	OK         Status = "ok"
	NotChecked Status = "not checked"
	Warning    Status = "warning"
	Problem    Status = "problem"
)

// Finding is one line of the report.
type Finding struct {
	Check  string `json:"check"` // the stable name, see docs/operating.md
	Status Status `json:"status"`
	Found  string `json:"found"`        // one sentence
	Do     string `json:"do,omitempty"` // what to do about it; empty when there is nothing to do
}

// Report is what Run found.
type Report struct {
	Findings []Finding `json:"findings"`
	Problems int       `json:"problems"`
	Warnings int       `json:"warnings"`
}

// check is one row of the table. It may return several findings; none counts as nothing to say.
type check struct {
	name string
	run  func(*facts) []Finding
}

// checks are all of them, in the order of the report.
var checks = []check{
	{"config", checkConfig},
	{"key-file", checkKeyFile},
	{"data-dir", checkDataDir},
	{"data-damage", checkDamage},
	{"disk-room", checkRoom},
	{"disk-type", checkDiskType},
	{"disk-speed", checkDiskSpeed},
	{"audit-log", checkAudit},
	{"daemon", checkDaemon},
	{"quorum", checkQuorum},
	{"masters", checkMasters},
	{"keys", checkKeys},
	{"cluster-id", checkClusterID},
	{"own-address", checkOwnAddress},
	{"names", checkNames},
	{"dns", checkDNS},
	{"gossip", checkGossip},
	{"api", checkAPI},
	{"clock-skew", checkSkew},
	{"clock-sync", checkSync},
	{"certificate", checkCertificate},
	{"versions", checkVersions},
	{"level", checkLevel},
	{"open-files", checkOpenFiles},
	{"memory", checkMemory},
	{"core-dumps", checkCoreDumps},
	{"locked-memory", checkLockedMemory},
	{"auto-unseal", checkAutoUnseal},
	{"stores", checkStores},
	{"snapshots", checkSnapshots},
}

// limit bounds a whole run.
const limit = 9500 * time.Millisecond

// Run examines a master. It takes ten seconds at most.
func Run(ctx context.Context, in Input) Report {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return judge(examine(ctx, in))
}

// judge turns facts into the report.
func judge(f *facts) Report {
	var r Report
	for _, c := range checks {
		for _, finding := range c.run(f) {
			finding.Check = c.name
			switch finding.Status {
			case Problem:
				r.Problems++
			case Warning:
				r.Warnings++
			}
			r.Findings = append(r.Findings, finding)
		}
	}
	return r
}

func ok(found string) []Finding { return []Finding{{Status: OK, Found: found}} }

func notChecked(why string) []Finding { return []Finding{{Status: NotChecked, Found: why}} }

func warning(found, do string) Finding { return Finding{Status: Warning, Found: found, Do: do} }

func problem(found, do string) Finding { return Finding{Status: Problem, Found: found, Do: do} }

// otherwise is the findings, or one good one when there are none.
func otherwise(findings []Finding, good string) []Finding {
	if len(findings) == 0 {
		return ok(good)
	}
	return findings
}
