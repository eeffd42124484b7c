package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func load(t *testing.T, env map[string]string, args ...string) (*config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	addSettings(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatalf("parse %q: %v", args, err)
	}
	return loadConfig(flags, env)
}

func mustLoad(t *testing.T, env map[string]string, args ...string) *config {
	t.Helper()
	cfg, err := load(t, env, args...)
	if err != nil {
		t.Fatalf("load %q with %v: %v", args, env, err)
	}
	return cfg
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagWinsOverVariableOverFileOverDefault(t *testing.T) {
	file := writeFile(t, "gatehouse.yaml", "expect: 3\nname: from-file\nlog-level: warn\nedition: open\n")
	env := map[string]string{"GATEHOUSE_CONFIG": file, "GATEHOUSE_NAME": "from-env", "GATEHOUSE_LOG_LEVEL": "error", "GATEHOUSE_EDITION": ""}
	cfg := mustLoad(t, env, "--log-level", "debug")

	got := []string{cfg.LogLevel, cfg.Name, cfg.Edition, cfg.LogFormat}
	want := []string{"debug", "from-env", "open", "json"} // flag, variable, file (an empty variable is none), default
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if cfg.Expect != 3 {
		t.Errorf("expect = %d, want 3 from the file", cfg.Expect)
	}
}

func TestConfigFlagWinsOverItsVariable(t *testing.T) {
	byFlag, byEnv := writeFile(t, "a.yaml", "expect: 5\n"), writeFile(t, "b.yaml", "expect: 3\n")
	cfg := mustLoad(t, map[string]string{"GATEHOUSE_CONFIG": byEnv}, "--config", byFlag)
	if cfg.Expect != 5 {
		t.Errorf("expect = %d, want 5 from the file that the flag names", cfg.Expect)
	}
}

func TestListsComeFromRepeatedFlagsCommasAndYAML(t *testing.T) {
	file := writeFile(t, "gatehouse.yaml", "join: [a:1, b:2]\nlisten:\n  - 127.0.0.1:8101\n  - 127.0.0.1:1337\n")
	tests := []struct {
		name string
		env  map[string]string
		args []string
		want []string
	}{
		{"flags", nil, []string{"--join=a:1", "--join=b:2"}, []string{"a:1", "b:2"}},
		{"commas", nil, []string{"--join=a:1, b:2"}, []string{"a:1", "b:2"}},
		{"variable", map[string]string{"GATEHOUSE_JOIN": "a:1,b:2"}, nil, []string{"a:1", "b:2"}},
		{"file", map[string]string{"GATEHOUSE_CONFIG": file}, nil, []string{"a:1", "b:2"}},
		{"a flag replaces the whole list", map[string]string{"GATEHOUSE_CONFIG": file}, []string{"--join=c:3"}, []string{"c:3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, mustLoad(t, tt.env, tt.args...).Join); diff != "" {
				t.Errorf("join (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	file := writeFile(t, "gatehouse.yaml", "expct: 3\ndisk-reserve: {a: b}\n")
	env := map[string]string{"GATEHOUSE_CONFIG": file, "GATEHOUSE_EDITON": "open", "GATEHOUSE_COOKIE_SECURE": "perhaps"}
	_, err := load(t, env, "--expect=many", "--listen=8101", "--trusted-proxies=10.0.0.0/40", "--edition=closed",
		"--superuser-username=admin", "--auth-token-lifetime=-5m", "--raft-multiplier=0.5", "--name=a b", "--log-level=loud",
		"--disk-low-water=5XB", "--min-service-key-bits=512", "--login-max-stale=5ms", "--join=:0", "--tls-cert=/nowhere/cert.pem", "--hsts=1s",
		"--listen=ftp://127.0.0.1:1", "--listen=127.0.0.1:2/ui", "--tls-names=*", "--redirect-port=0", "--auth-cookie-lifetime=200h", "--info-cookie-lifetime=1ms",
		"--cluster-id-file=/nowhere/id", "--public-ip=here", "--dcos-version=", "--cluster-name=a\tb", "--dns-listen=53", "--dns-zone=-", "--dns-ttl=2m", "--dns-names=a_b.")
	if err == nil || !isUsage(err) {
		t.Fatalf("error = %v, want a usage error", err)
	}
	for _, want := range []string{
		"expct: no such setting", "gatehouse.yaml:1", "disk-reserve", "GATEHOUSE_EDITON: no such setting", "GATEHOUSE_COOKIE_SECURE",
		"--expect: \"many\"", "--listen: \"8101\"", "--trusted-proxies", "--edition: \"closed\"", "--superuser-username and", "--auth-token-lifetime",
		"--raft-multiplier", "--name: \"a b\"", "--log-level", "--disk-low-water", "--min-service-key-bits", "--login-max-stale: 5ms", "--join: \":0\"", "--tls-cert and --tls-key", "--tls-cert: no --listen is https", "--hsts: no --listen",
		"ftp://127.0.0.1:1", "the surfaces iam, secrets and internal", "--tls-names: \"*\"", "--redirect-port: 0", "--auth-cookie-lifetime: 200h", "--info-cookie-lifetime: 1ms",
		"--cluster-id-file: stat /nowhere/id", "--public-ip: \"here\"", "--dcos-version: must not", "--cluster-name: \"a\\tb\"", "--dns-listen: \"53\"", "--dns-zone: \"-\"",
		"--dns-ttl: 2m0s", "--dns-names: \"a_b.\"",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the report does not mention %q:\n%v", want, err)
		}
	}
}

func TestMisreadFilesAreRefused(t *testing.T) {
	tests := map[string]string{
		"not a mapping":    "- expect\n",
		"duplicate key":    "expect: 3\nexpect: 5\n",
		"two documents":    "expect: 3\n---\nexpect: 5\n",
		"nested list":      "join: [[a:1]]\n",
		"broken":           "expect: [3\n",
		"value of no kind": "join: {a: 1}\n",
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, map[string]string{"GATEHOUSE_CONFIG": writeFile(t, "c.yaml", content)}, "--expect=1"); err == nil {
				t.Errorf("%q is accepted", content)
			}
		})
	}
	if _, err := load(t, nil, "--expect=1", "--config=/nowhere.yaml"); err == nil {
		t.Error("a file that does not exist is accepted")
	}
}

func TestPeerAndGossipAddressesFollowTheAPI(t *testing.T) {
	tests := []struct {
		args         []string
		peer, gossip string
	}{
		{nil, "127.0.0.1:8102", "127.0.0.1:8103"},
		{[]string{"--listen=127.0.0.1:9000"}, "127.0.0.1:9001", "127.0.0.1:9002"},
		{[]string{"--listen=127.0.0.1:0"}, "127.0.0.1:0", "127.0.0.1:0"},
		{[]string{"--advertise=10.0.0.1"}, "10.0.0.1:8102", "10.0.0.1:8103"},
		{[]string{"--advertise=m1.example"}, ":8102", ":8103"},
		{[]string{"--listen=[::1]:8101"}, "[::1]:8102", "[::1]:8103"},
		{[]string{"--peer-listen=10.0.0.1:1", "--gossip-listen=10.0.0.1:2"}, "10.0.0.1:1", "10.0.0.1:2"},
	}
	for _, tt := range tests {
		cfg := mustLoad(t, nil, append(tt.args, "--expect=1")...)
		if cfg.PeerListen != tt.peer || cfg.GossipListen != tt.gossip {
			t.Errorf("%q: peers at %s, gossip at %s; want %s and %s", tt.args, cfg.PeerListen, cfg.GossipListen, tt.peer, tt.gossip)
		}
	}
}

func TestListeningEverywhereNeedsAnAddressToTell(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:8101", ":8101", "[::]:8101"} {
		if _, err := load(t, nil, "--expect=1", "--listen", listen); err == nil || !strings.Contains(err.Error(), "--advertise: want it") {
			t.Errorf("--listen %s without --advertise: error = %v, want one that asks for it", listen, err)
		}
		mustLoad(t, nil, "--expect=1", "--listen", listen, "--advertise", "10.0.0.1")
	}
	for _, advertise := range []string{"0.0.0.0", "::", "10.0.0.1:8101"} {
		if _, err := load(t, nil, "--expect=1", "--advertise", advertise); err == nil || !strings.Contains(err.Error(), "--advertise: ") {
			t.Errorf("--advertise %s: error = %v, want one that names it", advertise, err)
		}
	}
	mustLoad(t, nil, "--expect=1", "--advertise", "fd00::1")
}

func TestBareNamesJoinAtTheOwnGossipPort(t *testing.T) {
	for address, want := range map[string]string{
		"master.mesos": "master.mesos:8103", "master.mesos:9": "master.mesos:9", "10.0.0.1": "10.0.0.1:8103", "[fd00::1]": "[fd00::1]:8103"} {
		if got := withPort(address, "127.0.0.1:8103"); got != want {
			t.Errorf("withPort(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestSizesAreReadWithUnits(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "4096": 4096, "64KiB": 64 << 10, "64MiB": 64 << 20, "3 GiB": 3 << 30, "1TiB": 1 << 40} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "64MB", "MiB", "9999999TiB", "1.5GiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestServiceKeyIsTakenAsTextOrFromAFile(t *testing.T) {
	key := testPublicKey(t)
	for _, value := range []string{key, writeFile(t, "service.pem", key)} {
		cfg := mustLoad(t, nil, "--expect=1", "--superuser-service-account-uid=svc", "--superuser-service-account-public-key", value)
		if strings.TrimSpace(cfg.SuperuserServicePublicKey) != strings.TrimSpace(key) {
			t.Errorf("public key = %q, want the PEM text", cfg.SuperuserServicePublicKey)
		}
	}
	if _, err := load(t, nil, "--expect=1", "--superuser-service-account-uid=svc", "--superuser-service-account-public-key=-----BEGIN PUBLIC KEY-----\n"); err == nil {
		t.Error("half a PEM block is accepted")
	}
}

func TestAuditLooksLikeTheLogBesideIt(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "logfmt"},
		{[]string{"--audit-log=-"}, "json"},
		{[]string{"--audit-log=-", "--log-format=text"}, "logfmt"},
		{[]string{"--audit-log=/tmp/audit"}, "logfmt"},
		{[]string{"--audit-log=/tmp/audit", "--audit-format=json"}, "json"},
	} {
		if got := mustLoad(t, nil, append(tt.args, "--expect=1")...).AuditFormat; got != tt.want {
			t.Errorf("%q: audit format %s, want %s", tt.args, got, tt.want)
		}
	}
}

func TestEverySettingHasADefaultThatParses(t *testing.T) {
	cfg := mustLoad(t, nil, "--expect=1")
	if cfg.AuthTokenLifetime != 5*24*time.Hour || cfg.Name == "" || cfg.AdminSocket != "/var/lib/gatehouse/admin.sock" {
		t.Errorf("defaults: %+v", cfg)
	}
	if len(cfg.TrustedProxies) != 2 {
		t.Errorf("trusted proxies = %v, want the two loopback networks", cfg.TrustedProxies)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	root := (&program{env: map[string]string{}}).root()
	for _, cmd := range append(root.Commands(), root) {
		for _, c := range append(cmd.Commands(), cmd) {
			if c.Example == "" || c.Short == "" {
				t.Errorf("%q has no example or no description", c.CommandPath())
			}
		}
	}
}

func TestWrongConfigurationEndsWithStatus2BeforeAnythingIsTouched(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var stderr bytes.Buffer
	code := run(context.Background(), []string{"agent", "--data-dir", dir, "--expect=-1"}, nil, &stderr, &stderr)
	if code != 2 || !strings.Contains(stderr.String(), "--expect: -1") {
		t.Errorf("status %d, output %q; want 2 and a word about --expect", code, &stderr)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the data directory was made")
	}
}
