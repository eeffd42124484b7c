//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// manual is what --help of a command says.
type manual struct {
	command  string // "gatehouse user list"
	examples []string
	below    []string // names of its commands
}

// readManual reads the help of a command.
func readManual(t *testing.T, d *desk, command string) manual {
	t.Helper()
	m := manual{command: command}
	section := ""
	for line := range strings.Lines(d.good(t, command+" --help")) {
		line = strings.TrimRight(line, "\n")
		switch text, indented := strings.CutPrefix(line, "  "); {
		case line == "":
		case !indented:
			section = line
		case section == "Examples:":
			m.examples = append(m.examples, text)
		case section != "Usage:" && section != "Flags:" && section != "Global Flags:" && section != "Aliases:" && strings.HasSuffix(section, ":"):
			m.below = append(m.below, strings.Fields(text)[0])
		}
	}
	return m
}

// library reads the help of every command.
func library(t *testing.T, d *desk, command string) []manual {
	t.Helper()
	m := readManual(t, d, command)
	all := []manual{m}
	for _, name := range m.below {
		if name != "help" { // cobra's own, which only shows what --help does
			all = append(all, library(t, d, command+" "+name)...)
		}
	}
	return all
}

// scene is one example as it is run: as it stands, but for places and ids that exist only where it was written.
type scene struct {
	line string
	// before prepares it, and answers pairs of what is replaced in the line by what.
	before func() []string
	// typed are the prompts and answers of a person at a terminal; without any the line runs in a script.
	typed []string
	// patient examples look at how masters are, which a busy machine makes worse for a while.
	patient bool
}

func TestEveryExampleOfEveryVerbRuns(t *testing.T) {
	p := newPlay(t)
	manuals := library(t, p.desk, "gatehouse")
	open := map[string]string{} // examples that have not run, and of which command they are
	for _, m := range manuals {
		if len(m.examples) == 0 {
			t.Errorf("%s has no example", m.command)
		}
		for _, line := range m.examples {
			open[line] = m.command
		}
	}
	if len(manuals) < 30 {
		t.Fatalf("found the help of %d commands only: %+v", len(manuals), manuals)
	}
	script, last := p.script(), p.farewells()
	for _, s := range slices.Concat(script, last) {
		if open[s.line] == "" {
			t.Errorf("%q is in the script, but no example of a command", s.line)
		}
		delete(open, s.line)
	}
	for _, s := range script {
		p.perform(t, s)
	}
	for _, line := range slices.Sorted(maps.Keys(open)) { // what needs no place in the script
		p.perform(t, scene{line: line, patient: strings.HasPrefix(line, "gatehouse health")})
	}
	for _, s := range last {
		p.perform(t, s)
	}
}

// play is a cluster, a desk, and what happened so far.
type play struct {
	*desk
	t       *testing.T
	cluster *rig.Cluster
	general *strings.Replacer
	made    int // stores of examples
}

const alicesPassword = "wonderland-22"

// newPlay forms a cluster whose key file has two keys, and makes alice a superuser.
func newPlay(t *testing.T) *play {
	p := &play{desk: newDesk(t), t: t}
	p.cluster = must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary,
		Wrap: func(m *rig.Master) { m.Env = append(m.Env, "GATEHOUSE_ALLOW_INSECURE_PROVIDERS=true") }})) // that of the examples is on loopback
	finish(t, p.cluster)
	must[string](t)(p.cluster.Run(t.Context(), "", "keygen", "--add", p.cluster.KeyFile))
	for _, m := range p.cluster.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.cluster.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	m := p.cluster.Masters
	must[string](t)(p.cluster.Run(t.Context(), alicesPassword+"\n", "reset-superuser", "--admin-socket", m[0].AdminSocket, "alice"))
	p.file(t, "password.txt", alicesPassword+"\n")
	p.file(t, "dcos-ca.crt", someCertificate(t))
	p.file(t, "monitor.pub", publicPEM(t))
	p.file(t, "../etc/gatehouse/gatehouse.yaml", "expect: 3\njoin: [10.0.0.1, 10.0.0.2, 10.0.0.3]\ncluster-key-file: "+p.cluster.KeyFile+"\n")
	p.general = strings.NewReplacer(
		"https://cluster.example", m[0].API, "https://m1.example", m[0].API, "https://m2.example", m[1].API,
		"http://127.0.0.1:8101", m[0].API, "http://10.0.0.1:8101", m[1].API,
		"/etc/", filepath.Join(p.dir, "etc")+"/", "/usr/local/share/", filepath.Join(p.dir, "share")+"/", "/var/tmp/", filepath.Join(p.dir, "var/tmp")+"/",
		"/var/lib/gatehouse", m[0].DataDir, "dev-data/master-1", m[0].DataDir)
	return p
}

// perform runs one example and wants it to succeed.
func (p *play) perform(t *testing.T, s scene) {
	t.Helper()
	line := s.line
	if s.before != nil {
		line = strings.NewReplacer(s.before()...).Replace(line)
	}
	line = p.general.Replace(line)
	if len(s.typed) > 0 {
		if status, screen := p.sit(t, 100, line, s.typed...); status != 0 {
			t.Errorf("%s\nrun as %s\nstatus %d, screen\n%s", s.line, line, status, screen)
		}
		return
	}
	limit := time.Duration(0)
	if s.patient {
		limit = 60 * time.Second
	}
	err := rig.Await(t.Context(), limit, s.line, func(context.Context) error {
		if status, out, errs := p.run(t, line); status != 0 {
			return fmt.Errorf("run as %s\nstatus %d\n%s%s", line, status, out, errs)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// script are the examples whose order matters, which need something, or which only a person runs.
func (p *play) script() []scene {
	return slices.Concat(p.logins(), p.users(), p.access(), p.trails(), p.declared(), p.identities(), p.tokens(), p.keys(), p.secrets(), p.stores(), p.seals(), p.rekeys(), p.masters(), p.starts())
}

func (p *play) logins() []scene {
	return []scene{
		{line: "gatehouse login --url https://cluster.example --uid alice", typed: []string{"Password of alice", alicesPassword}},
		{line: "gatehouse login --url https://m1.example,https://m2.example --name prod --uid alice --password-file password.txt"},
		{line: "gatehouse service-account create deployer --secret-file deployer.json"},
		{line: "gatehouse login --url https://cluster.example --ca-cert dcos-ca.crt --name ci --service-key deployer.json"},
		{line: "gatehouse login --name prod", typed: []string{"Password of alice at prod", alicesPassword}},
		{line: "gatehouse login --url https://cluster.example --name sso --provider company", before: p.company},
		{line: "gatehouse cluster remove old", before: func() []string {
			for _, line := range []string{"cluster remove sso", "user delete --yes alice@example.com --cluster prod", "provider remove --yes company --cluster prod"} {
				p.good(p.t, "gatehouse "+line)
			}
			p.login(p.t, p.cluster, "old")
			return nil
		}},
		{line: "gatehouse cluster use prod"},
	}
}

func (p *play) users() []scene {
	twice := func(uid, password string) []string {
		return []string{"New password for " + uid, password, "The same again", password}
	}
	return []scene{
		{line: "gatehouse user create bob", typed: twice("bob", "bobs-password")},
		{line: "gatehouse user create carol --description 'Carol in Operations' --password-file password.txt"},
		{line: "gatehouse user update carol --description 'Carol in Security'"},
		{line: "gatehouse user update carol --ask-password", typed: twice("carol", "carols-password")},
		{line: "gatehouse user forget-subject carol@example.com", before: func() []string {
			p.good(p.t, "gatehouse user create carol@example.com --provider-type oidc --provider-id example-idp")
			return nil
		}},
		{line: "gatehouse user delete --yes carol"},
		{line: "gatehouse service-account create backup --login-endpoint https://master.mesos/acs/api/v1/auth/login >backup.json"},
		{line: "gatehouse service-account delete --yes backup"},
	}
}

// access are groups, resources and permissions, in the order in which they come about.
func (p *play) access() []scene {
	first := func(line string) func() []string {
		return func() []string {
			p.good(p.t, line)
			return nil
		}
	}
	return []scene{
		{line: "gatehouse group create ops --description Operations"},
		{line: "gatehouse group update ops --description 'Operations and support'"},
		{line: "gatehouse group add ops bob deployer"},
		{line: "gatehouse group remove ops bob"},
		{line: "gatehouse group delete --yes support", before: first("gatehouse group create support")},
		{line: "gatehouse acl create dcos:adminrouter:service:grafana --description 'The dashboards'"},
		{line: "gatehouse acl update dcos:adminrouter:service:grafana --description Dashboards"},
		{line: "gatehouse acl delete --yes dcos:adminrouter:service:wiki", before: first("gatehouse acl create dcos:adminrouter:service:wiki")},
		{line: "gatehouse permission grant dcos:adminrouter:ops:mesos full --group ops"},
		{line: "gatehouse permission grant dcos:service:marathon:marathon:services:/prod read update --user deployer"},
		{line: "gatehouse can-i dcos:service:marathon:marathon:services:/prod update --as deployer"},
		{line: "gatehouse permission revoke dcos:adminrouter:ops:mesos full --group ops"},
		{line: "gatehouse permission revoke dcos:service:marathon:marathon:services:/prod --all --user deployer"},
	}
}

func (p *play) declared() []scene {
	return []scene{
		{line: "gatehouse iam export -o iam.yaml"},
		{line: "gatehouse iam plan -f iam.yaml"},
		{line: "gatehouse iam plan -f iam.yaml --prune --output json"},
		{line: "gatehouse iam export >iam.yaml"},
		{line: "gatehouse iam export --json -o iam.json"},
		{line: "gatehouse iam apply -f iam.yaml --prune --yes"},
		{line: "gatehouse iam apply -f teams/ -f services.yaml --yes", before: func() []string {
			p.file(p.t, "services.yaml", "version: 1\nacls: [{rid: dcos:adminrouter:service:shop, groups: {shop: full}}]\n")
			if err := os.Mkdir(p.path("teams"), 0o700); err != nil {
				p.t.Fatal(err)
			}
			p.file(p.t, "teams/shop.yaml", "version: 1\nusers: [{uid: sam}]\ngroups: [{gid: shop, members: [sam]}]\n")
			return nil
		}},
		{line: "gatehouse iam apply -f iam.yaml", typed: []string{"Make 1 change? [y/N] ", "y"}, before: func() []string {
			p.file(p.t, "iam.yaml", "version: 1\nusers: [{uid: sam, description: Sam from the shop}]\n")
			return nil
		}},
	}
}

// trails are the examples of the audit trail that need something, or that a person ends.
func (p *play) trails() []scene {
	m, exec := p.cluster.Masters[0], []string{"gatehouse audit", "exec gatehouse audit"} // so that Ctrl-C ends no shell
	return []scene{
		{line: "gatehouse audit tail -f", typed: []string{" action=", "\x03"}, before: func() []string { return exec }},
		{line: "gatehouse audit tail -f --result deny", typed: []string{" result=deny ", "\x03"}, before: func() []string {
			p.file(p.t, "wrong.txt", "wrong-password\n")
			p.run(p.t, "gatehouse login --name wrong --url "+m.API+" --uid nobody --password-file wrong.txt")
			return exec
		}},
		{line: "gatehouse audit heads --output json > heads.json"},
		{line: "gatehouse audit verify --dir /var/lib/gatehouse/audit --admin-socket /var/lib/gatehouse/admin.sock", before: func() []string {
			return []string{"/var/lib/gatehouse/admin.sock", m.AdminSocket}
		}},
		{line: "gatehouse audit verify --heads heads.json copies/*.log", before: func() []string {
			p.good(p.t, "mkdir copies && cp "+filepath.Join(m.DataDir, "audit")+"/*.log copies")
			return nil
		}},
	}
}

func (p *play) tokens() []scene {
	return []scene{
		{line: "gatehouse token verify --jwks jwks.json --token-file token.txt", before: func() []string {
			p.file(p.t, "jwks.json", string(ask(p.t, p.cluster, http.StatusOK, rig.Request{Method: http.MethodGet, URL: p.cluster.Masters[0].API + jwksPath}).Body))
			p.file(p.t, "token.txt", superuser(p.t, p.cluster)+"\n")
			return nil
		}},
		{line: "gatehouse revoke-tokens --all --yes"},
		{line: "gatehouse hash-password", typed: []string{"Password: ", "secret", "Password (again): ", "secret"}},
		{line: "printf '%s\\n' \"$PASSWORD\" | gatehouse hash-password --sha512", before: func() []string {
			p.login(p.t, p.cluster, "prod") // the tokens from before are revoked
			p.env = append(p.env, "PASSWORD=secret")
			return nil
		}},
	}
}

// prepared is the id of a signing key that was published just now.
func (p *play) prepared() string {
	p.t.Helper()
	before := p.signingKeys()
	p.good(p.t, "gatehouse keys prepare")
	for _, kid := range p.signingKeys() {
		if !slices.Contains(before, kid) {
			return kid
		}
	}
	p.t.Fatalf("no new key among %v", before)
	return ""
}

func (p *play) signingKeys() (kids []string) {
	p.t.Helper()
	var list struct{ Array []struct{ KID string } }
	decode(p.t, []byte(p.good(p.t, "gatehouse keys list --output json")), &list)
	for _, k := range list.Array {
		kids = append(kids, k.KID)
	}
	return kids
}

func (p *play) keys() []scene {
	replaced := func(typed string) func() []string {
		return func() []string { return []string{typed, p.prepared()[:8]} }
	}
	file := filepath.Join(p.dir, "etc/gatehouse/cluster.key")
	return []scene{
		{line: "gatehouse keys activate 3f0a5c71", before: replaced("3f0a5c71")},
		{line: "gatehouse keys retire 3f0a5c71", before: replaced("3f0a5c71")},
		{line: "gatehouse keys retire --force --yes 9bd4e802", before: func() []string { return []string{"9bd4e802", p.signingKeys()[1][:8]} }},
		{line: "gatehouse cluster-keys activate 3f0a5c71d2e94b68", before: func() []string {
			p.login(p.t, p.cluster, "prod") // the key that signed the token is retired
			return []string{"3f0a5c71d2e94b68", p.secondClusterKey()}
		}},
		{line: "gatehouse keygen -o /etc/gatehouse/cluster.key"},
		{line: "gatehouse keygen --add /etc/gatehouse/cluster.key"},
		{line: "gatehouse keygen --drop 3f0a5c71d2e94b68 /etc/gatehouse/cluster.key", before: func() []string {
			added := strings.Fields(must[string](p.t)(p.cluster.Run(p.t.Context(), "", "keygen", "--add", file)))[3]
			return []string{"3f0a5c71d2e94b68", added}
		}},
	}
}

func (p *play) secondClusterKey() string {
	p.t.Helper()
	var list struct{ Array []clusterKey }
	decode(p.t, []byte(p.good(p.t, "gatehouse cluster-keys list --output json")), &list)
	for _, k := range list.Array {
		if !k.Primary {
			return k.ID
		}
	}
	p.t.Fatalf("one cluster key only: %+v", list)
	return ""
}

func (p *play) masters() []scene {
	socket := func(command string) func() []string {
		return func() []string {
			return []string{command, command + " --admin-socket " + p.cluster.Masters[0].AdminSocket}
		}
	}
	twice := []string{"Password: ", "a-new-passphrase", "Password (again): ", "a-new-passphrase"}
	return []scene{
		{line: "sudo -u gatehouse gatehouse reset-superuser admin", before: socket("reset-superuser"), typed: twice},
		{line: "gatehouse reset-superuser --data-dir dev-data/master-1 bootstrapuser", before: socket("reset-superuser"), typed: twice},
		{line: "sudo gatehouse doctor --config /etc/gatehouse/gatehouse.yaml", before: p.machine, patient: true},
		{line: "gatehouse doctor --config gatehouse.yaml --peer 10.0.0.2:8102 --output json", before: p.machine, patient: true},
	}
}

// machine writes the configuration of the first master, for examples that look at the machine that runs it.
func (p *play) machine() []string {
	m := p.cluster.Masters[0]
	var text strings.Builder
	for i, flag := range m.Argv {
		if name, ok := strings.CutPrefix(flag, "--"); ok {
			fmt.Fprintf(&text, "%s: %q\n", name, m.Argv[i+1])
		}
	}
	p.file(p.t, "gatehouse.yaml", text.String())
	return []string{"/etc/gatehouse/gatehouse.yaml", "gatehouse.yaml", "10.0.0.2:8102", p.cluster.Masters[1].Peer}
}

// starts are the examples that start masters. Those of an agent are for machines that are not there: their settings are checked.
func (p *play) starts() []scene {
	validate := func() []string {
		p.env = append(p.env, "GATEHOUSE_CLUSTER_KEY_FILE="+p.cluster.KeyFile)
		return []string{"gatehouse agent", "gatehouse config validate"}
	}
	return []scene{
		{line: "gatehouse agent --expect 3 --join 10.0.0.1:8103 --join 10.0.0.2:8103 --join 10.0.0.3:8103", before: validate},
		{line: "gatehouse agent --expect 3 --join master.mesos:8103 --advertise 10.0.0.1", before: validate},
		{line: "gatehouse agent --config /etc/gatehouse/gatehouse.yaml", before: validate},
		{line: "gatehouse dev", before: p.dev(""), typed: []string{"Ctrl-C stops", "\x03"}},
		{line: "gatehouse dev --masters 5 --data-dir /var/tmp/gatehouse-dev --api-port 9000 --log-level debug", before: p.dev(" --api-port 9000"), typed: []string{"Ctrl-C stops", "\x03"}},
	}
}

// dev gives gatehouse dev ports that are free, and makes it the process that Ctrl-C ends.
func (p *play) dev(ports string) func() []string {
	return func() []string {
		free := " --api-port " + strconv.Itoa(must[int](p.t)(rig.FreePorts(60)))
		if ports == "" {
			return []string{"gatehouse dev", "exec gatehouse dev" + free}
		}
		return []string{"gatehouse dev", "exec gatehouse dev", ports, free}
	}
}

// farewells end a master, and logins.
func (p *play) farewells() []scene {
	return []scene{
		{line: "gatehouse masters remove --yes 7c1f0a9b5d2e4f68", before: func() []string { return []string{"7c1f0a9b5d2e4f68", p.lostMaster()} }},
		{line: "gatehouse logout"}, {line: "gatehouse logout --name prod"}, {line: "gatehouse logout --all"},
	}
}

// lostMaster is the beginning of the id of a master that has ended: the last that does not lead, so that the others are those that the
// login knows.
func (p *play) lostMaster() string {
	t := p.t
	t.Helper()
	var list struct{ Array []rig.MasterInfo }
	decode(t, []byte(p.good(t, "gatehouse masters --output json")), &list)
	for _, m := range slices.Backward(p.cluster.Masters) {
		at := slices.IndexFunc(list.Array, func(row rig.MasterInfo) bool { return row.Name == m.Name && !row.Leader })
		if at < 0 {
			continue
		}
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
		return list.Array[at].ID[:8]
	}
	t.Fatalf("every master leads: %+v", list)
	return ""
}
