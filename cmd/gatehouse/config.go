package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"gatehouse/cmd/gatehouse/cli"
	"gatehouse/keyring/autounseal"
)

// config is everything that can be set on a master. Which flag, variable and key sets
// a field, and its default, is a row of settings; the rules between fields are in check.
type config struct {
	DataDir         string
	Name            string
	Listen          []string // API, as given; see Listeners
	Listeners       []listenSpec
	PeerListen      string // Raft and forwarding, host:port
	GossipListen    string // host:port
	Advertise       string // host the other masters reach this one by
	APIAdvertise    string // host:port; these three are for address translation
	PeerAdvertise   string
	GossipAdvertise string
	ClusterKeyFile  string
	Expect          int
	Join            []string
	JoinResolver    []string // DNS servers, host:port; none: the system's resolver

	TLSCert      string // files
	TLSKey       string
	TLSClientCA  string
	TLSCAFile    string
	TLSAuto      bool
	TLSNames     []string // further names and addresses for TLSAuto
	HSTS         time.Duration
	RedirectPort int

	SuperuserUsername         string
	SuperuserPasswordHash     string // crypt(3) or PHC string
	SuperuserServiceAccount   string // uid
	SuperuserServicePublicKey string // PEM, or the path of a PEM file until check has read it
	BootstrapFile             string

	Edition           string
	Authorization     string
	AuthorizeRules    string // file; "" when there is none
	TrustedProxies    []netip.Prefix
	AuthTokenLifetime time.Duration
	LoginMaxStale     time.Duration // 0 refuses logins without a quorum
	CookieSecure      string        // auto, true or false; see cookieSecure
	AcceptBearer      bool
	RefuseLongLived   bool
	MinServiceKeyBits int
	UIConfigFile      string

	AllowInsecureProviders bool

	IDTokenIssuer, IDTokenAudience string // "auto" until check has put in the edition's; "" refuses ID tokens

	AuthCookieLifetime time.Duration // 0 until check has put in the token's
	InfoCookieLifetime time.Duration // the same
	ClusterName        string        // "" shows the cluster id
	ClusterIDFile      string
	ShownClusterID     string // what ClusterIDFile holds; "" shows our own
	DCOSVersion        string
	PublicIP           string // "" if it is unknown

	DNSListen string // UDP and TCP, host:port; "" answers no DNS
	DNSZone   string
	DNSTTL    time.Duration
	DNSNames  []string // in DNSZone

	AutoUnseal      string // key-file, pkcs11 or off
	PKCS11          autounseal.Options
	SecretsMaxSize  int64 // bytes
	SecretsMaxBytes int64 // bytes

	LDAPSyncInterval time.Duration // 0 never syncs
	LDAPImportLimit  time.Duration

	RaftMultiplier float64
	DiskReserve    int64 // bytes; 0 chooses by the size of the file system
	DiskLowWater   int64 // bytes; the same
	AdminSocket    string
	AuditLog       string // a directory, "-" or "off"
	AuditFormat    string
	LogLevel       string

	AuditRotateSize int64 // bytes
	AuditKeep       int   // files; 0 keeps all
	AuditRequire    string

	LogFormat string
	Pprof     bool
}

// envName is the environment variable that sets the same thing as the flag.
func envName(flag string) string {
	return "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// otherVariables are GATEHOUSE_* variables that are no settings of a master: where the file
// is, what the client commands use, and the binary that the tests run.
var otherVariables = append([]string{"GATEHOUSE_CONFIG", "GATEHOUSE_BIN"}, cli.Variables...)

// addSettings defines one flag for every row of settings, and --config.
func addSettings(flags *pflag.FlagSet) {
	for _, s := range settings {
		f := flags.VarPF(&rawValue{kind: s.kind}, s.name, "", s.help)
		f.DefValue = s.def
		if strings.HasPrefix(s.kind, "bool") {
			f.NoOptDefVal = "true"
		}
	}
	flags.Var(&rawValue{kind: "file"}, "config", "YAML file with the same names as the flags (GATEHOUSE_CONFIG)")
}

// rawValue keeps a flag's text: all sources are parsed by the same code, after the one
// that counts was chosen.
type rawValue struct {
	kind   string
	values []string
}

func (v *rawValue) String() string     { return strings.Join(v.values, ",") }
func (v *rawValue) Type() string       { return v.kind }
func (v *rawValue) Set(s string) error { v.values = append(v.values, s); return nil }

// loadConfig reads a master's configuration: flags, then GATEHOUSE_* variables, then
// the YAML file, then defaults; the first that mentions a setting decides it whole.
// The error names every problem found.
func loadConfig(flags *pflag.FlagSet, env map[string]string) (*config, error) {
	cfg, wrong := readConfig(flags, env)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// readConfig is loadConfig for whoever has further problems to report. What it cannot read has its default.
func readConfig(flags *pflag.FlagSet, env map[string]string) (*config, problems) {
	var wrong problems
	file := readConfigFile(flags, env, &wrong)
	unknownVariables(env, &wrong)
	cfg := &config{}
	for _, s := range settings {
		values, from := s.choose(flags, env, file)
		if err := s.set(cfg, values); err != nil {
			wrong.add(fmt.Sprintf("%s: %v", from.of(s.name), err))
			_ = s.set(cfg, []string{s.def}) // so that check has nothing further to say about it
		}
	}
	cfg.check(&wrong)
	return cfg, wrong
}

// origin is where the value of a setting comes from.
type origin string

const (
	fromFlag     origin = "flag"
	fromVariable origin = "variable"
	fromFile     origin = "file"
	byDefault    origin = "default"
)

// of names the setting as its author wrote it.
func (o origin) of(name string) string {
	switch o {
	case fromVariable:
		return envName(name)
	case fromFile:
		return name + " in the configuration file"
	}
	return "--" + name
}

// choose finds the values of a setting and says where they come from. An empty
// variable counts as absent, as init systems cannot unset one.
func (s setting) choose(flags *pflag.FlagSet, env map[string]string, file map[string][]string) ([]string, origin) {
	if f := flags.Lookup(s.name); f.Changed {
		return f.Value.(*rawValue).values, fromFlag
	}
	if v := env[envName(s.name)]; v != "" {
		return []string{v}, fromVariable
	}
	if v, ok := file[s.name]; ok {
		return v, fromFile
	}
	return []string{s.def}, byDefault
}

// unknownVariables refuses misspelt names: a setting that silently does nothing is
// worse than one that does not start.
func unknownVariables(env map[string]string, wrong *problems) {
	known := map[string]bool{}
	for _, s := range settings {
		known[envName(s.name)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if strings.HasPrefix(name, "GATEHOUSE_") && !known[name] && !slices.Contains(otherVariables, name) {
			wrong.add(name + ": no such setting")
		}
	}
}

func readConfigFile(flags *pflag.FlagSet, env map[string]string, wrong *problems) map[string][]string {
	path := env["GATEHOUSE_CONFIG"]
	if f := flags.Lookup("config"); f.Changed {
		path = f.Value.String()
	}
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		wrong.add("--config: " + err.Error())
		return nil
	}
	return parseConfigFile(path, data, wrong)
}

// parseConfigFile reads one mapping of setting names to scalars or lists of scalars.
func parseConfigFile(path string, data []byte, wrong *problems) map[string][]string {
	raw := map[string]yaml.Node{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&raw); err != nil && !errors.Is(err, io.EOF) {
		wrong.add(fmt.Sprintf("%s: %v", path, err))
		return nil
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		wrong.add(path + ": more than one document")
	}
	file := make(map[string][]string, len(raw))
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		node := raw[name]
		values, err := nodeValues(&node)
		switch {
		case !isSetting(name):
			wrong.add(fmt.Sprintf("%s:%d: %s: no such setting", path, node.Line, name))
		case err != nil:
			wrong.add(fmt.Sprintf("%s:%d: %s: %v", path, node.Line, name, err))
		default:
			file[name] = values
		}
	}
	return file
}

func nodeValues(node *yaml.Node) ([]string, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		return []string{node.Value}, nil
	case yaml.SequenceNode:
		values := []string{}
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, errors.New("want a list of plain values")
			}
			values = append(values, item.Value)
		}
		return values, nil
	}
	return nil, errors.New("want a plain value or a list of them")
}

func isSetting(name string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return s.name == name })
}
