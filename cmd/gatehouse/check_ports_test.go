package main

import (
	"strings"
	"testing"
)

func TestTwoSocketsInOnePlaceAreRefused(t *testing.T) {
	refused := map[string][]string{
		"--peer-listen: 127.0.0.1:9000 is the place of --listen 127.0.0.1:9000":     {"--listen=127.0.0.1:9000", "--peer-listen=127.0.0.1:9000"},
		"--peer-listen: 127.0.0.1:9001 is the place of --listen 127.0.0.1:9001":     {"--listen=127.0.0.1:9000", "--listen=127.0.0.1:9001"},
		"--gossip-listen: 127.0.0.1:9002 is the place of --peer-listen 127.0.0.1:9": {"--listen=127.0.0.1:9000", "--peer-listen=127.0.0.1:9002"},
		"--dns-listen: 127.0.0.1:9000 is the place of --listen :9000":               {"--listen=:9000", "--dns-listen=127.0.0.1:9000", "--advertise=127.0.0.1"},
		"--dns-listen: 0.0.0.0:9002 is the place of --gossip-listen 127.0.0.1:9002": {"--listen=127.0.0.1:9000", "--dns-listen=0.0.0.0:9002"},
	}
	for want, args := range refused {
		if _, err := load(t, nil, append(args, "--expect=1")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", args, err, want)
		}
	}
	for _, args := range [][]string{
		{"--listen=127.0.0.1:0", "--listen=127.0.0.1:0"},
		{"--listen=127.0.0.1:9000", "--peer-listen=127.0.0.2:9000", "--dns-listen=127.0.0.1:53"},
	} {
		if _, err := load(t, nil, append(args, "--expect=1")...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}
