package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi/cutoff"
	"gatehouse/keyring/password"
	"gatehouse/keyring/token"
)

// check fills in the defaults that depend on other settings and adds to wrong whatever
// would keep a master with this configuration from working.
func (c *config) check(wrong *problems) {
	c.checkPlace(wrong)
	c.parseListeners(wrong)
	c.checkAddresses(wrong)
	c.checkCluster(wrong)
	c.checkSuperusers(wrong)
	c.checkBehaviour(wrong)
	c.checkSecrets(wrong)
	c.checkClients(wrong)
	c.checkPorts(wrong)
}

func (c *config) checkPlace(wrong *problems) {
	if c.DataDir == "" {
		wrong.add("--data-dir: must not be empty")
	}
	c.AdminSocket = c.adminSocket()
	if c.Name == "" {
		c.Name = hostName()
	}
	if !validName(c.Name) {
		wrong.add(fmt.Sprintf("--name: %q: want 1 to 63 letters, digits, dots, dashes or underscores", c.Name))
	}
}

// adminSocket is the path of the admin socket, set or not.
func (c *config) adminSocket() string {
	if c.AdminSocket != "" {
		return c.AdminSocket
	}
	return filepath.Join(c.DataDir, "admin.sock")
}

func validName(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune(".-_", r)
	})
}

// checkAddresses derives the peer and gossip addresses: the ports after the first API
// port, on the advertised address when there is one. The API often listens on loopback,
// behind the reverse proxy of the same host; the other masters are never there.
func (c *config) checkAddresses(wrong *problems) {
	api, ok := c.api()
	if !ok {
		api.Address = "127.0.0.1:0" // parseListeners has said so; the rest is checked all the same
	}
	host, port := peerHost(api.Address, c.Advertise)
	if c.PeerListen == "" {
		c.PeerListen = net.JoinHostPort(host, portAfter(port, 1, wrong))
	}
	if c.GossipListen == "" {
		c.GossipListen = net.JoinHostPort(host, portAfter(port, 2, wrong))
	}
	switch ip := net.ParseIP(c.Advertise); {
	case ip == nil && strings.Contains(c.Advertise, ":"):
		wrong.add(fmt.Sprintf("--advertise: %q: want a host or an address, without a port", c.Advertise))
	case ip.IsUnspecified():
		wrong.add(fmt.Sprintf("--advertise: %s is not an address others can reach", c.Advertise))
	}
	checkHostPort("peer-listen", c.PeerListen, 0, wrong)
	checkHostPort("gossip-listen", c.GossipListen, 0, wrong)
	c.checkAdvertise("api", api.Address, c.APIAdvertise, wrong)
	c.checkAdvertise("peer", c.PeerListen, c.PeerAdvertise, wrong)
	c.checkAdvertise("gossip", c.GossipListen, c.GossipAdvertise, wrong)
	for _, address := range c.Join {
		checkHostPort("join", withPort(address, c.GossipListen), 1, wrong)
	}
}

// checkAdvertise makes sure that there is an address to tell to others.
func (c *config) checkAdvertise(what, listen, advertise string, wrong *problems) {
	if advertise != "" {
		checkHostPort(what+"-advertise", advertise, 1, wrong)
		return
	}
	host, _, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); c.Advertise == "" && (host == "" || ip.IsUnspecified()) {
		wrong.add(fmt.Sprintf("--advertise: want it, %s is not an address others can reach", listen))
	}
}

// peerHost is where to listen for the other masters: on the advertised address, on
// every address when a name is advertised, otherwise where the API listens.
func peerHost(api, advertise string) (host string, port int) {
	host, text, _ := net.SplitHostPort(api)
	port, _ = strconv.Atoi(text)
	switch {
	case advertise == "":
		return host, port
	case net.ParseIP(advertise) != nil:
		return advertise, port
	}
	return "", port
}

// portAfter keeps port 0, which lets the kernel choose.
func portAfter(port, n int, wrong *problems) string {
	if port == 0 {
		return "0"
	}
	if port+n > 65535 {
		wrong.add(fmt.Sprintf("--listen: port %d leaves no room for the peer and gossip ports; set them", port))
		return "0"
	}
	return strconv.Itoa(port + n)
}

func checkHostPort(name, address string, lowest int, wrong *problems) {
	_, text, err := net.SplitHostPort(address)
	port, numErr := strconv.Atoi(text)
	if err != nil || numErr != nil || port < lowest || port > 65535 {
		wrong.add(fmt.Sprintf("--%s: %q: want host:port", name, address))
	}
}

// withPort adds this master's own gossip port to a bare name such as master.mesos:
// masters are usually configured alike.
func withPort(address, gossip string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	_, port, _ := net.SplitHostPort(gossip)
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}

func (c *config) checkCluster(wrong *problems) {
	if c.ClusterKeyFile == "" {
		wrong.add("--cluster-key-file: must not be empty")
	}
	if c.Expect < 0 || c.Expect > 9 {
		wrong.add(fmt.Sprintf("--expect: %d: want 0 to 9; three or five masters are usual", c.Expect))
	}
	if c.Expect == 0 && len(c.Join) == 0 {
		wrong.add("--expect or --join: want one of them, to form a cluster or to join one")
	}
	if c.RaftMultiplier < 1 || c.RaftMultiplier > 10 {
		wrong.add(fmt.Sprintf("--raft-multiplier: %v: want 1 to 10", c.RaftMultiplier))
	}
}

func (c *config) checkSuperusers(wrong *problems) {
	if (c.SuperuserUsername == "") != (c.SuperuserPasswordHash == "") {
		wrong.add("--superuser-username and --superuser-password-hash: want both or neither")
	}
	if (c.SuperuserServiceAccount == "") != (c.SuperuserServicePublicKey == "") {
		wrong.add("--superuser-service-account-uid and --superuser-service-account-public-key: want both or neither")
	}
	for name, uid := range map[string]string{
		"superuser-username": c.SuperuserUsername, "superuser-service-account-uid": c.SuperuserServiceAccount} {
		if err := iam.ValidateUID(uid); uid != "" && err != nil {
			wrong.add(fmt.Sprintf("--%s: %v", name, err))
		}
	}
	if c.SuperuserUsername != "" && c.SuperuserUsername == c.SuperuserServiceAccount {
		wrong.add("--superuser-username and --superuser-service-account-uid: must differ")
	}
	if c.SuperuserPasswordHash != "" {
		if err := password.Check(c.SuperuserPasswordHash); err != nil {
			wrong.add(fmt.Sprintf("--superuser-password-hash: %v", err))
		}
	}
	if err := c.readServiceKey(); err != nil {
		wrong.add(fmt.Sprintf("--superuser-service-account-public-key: %v", err))
	}
}

// readServiceKey replaces the path of a PEM file with its contents and checks the key.
func (c *config) readServiceKey() error {
	key := c.SuperuserServicePublicKey
	if key == "" {
		return nil
	}
	if !strings.Contains(key, "-----BEGIN") {
		data, err := os.ReadFile(key)
		if err != nil {
			return err
		}
		key = string(data)
	}
	c.SuperuserServicePublicKey = key
	_, err := token.ParsePublicKeyMin(key, c.MinServiceKeyBits)
	return err
}

func (c *config) checkBehaviour(wrong *problems) {
	choice("edition", c.Edition, wrong, "enterprise", "open")
	choice("authorization", c.Authorization, wrong, "enterprise", "open")
	c.checkRules(wrong)
	choice("log-level", c.LogLevel, wrong, "debug", "info", "warn", "error")
	choice("log-format", c.LogFormat, wrong, "json", "text")
	if c.AuthTokenLifetime < time.Minute || c.AuthTokenLifetime > cutoff.LongestTokenLife {
		wrong.add(fmt.Sprintf("--auth-token-lifetime: %v: want 1m to 720h", c.AuthTokenLifetime))
	}
	if d := c.LoginMaxStale; d != 0 && (d < time.Second || d > 24*time.Hour) {
		wrong.add(fmt.Sprintf("--login-max-stale: %v: want 0s, or 1s to 24h", d))
	}
	if c.MinServiceKeyBits < 1024 || c.MinServiceKeyBits > 8192 {
		wrong.add(fmt.Sprintf("--min-service-key-bits: %d: want 1024 to 8192", c.MinServiceKeyBits))
	}
	if d := c.LDAPSyncInterval; d != 0 && (d < time.Second || d > 24*time.Hour) {
		wrong.add(fmt.Sprintf("--ldap-sync-interval: %v: want 0s, or 1s to 24h", d))
	}
	if d := c.LDAPImportLimit; d <= 0 || d > 10*time.Minute {
		wrong.add(fmt.Sprintf("--ldap-import-limit: %v: want more than 0s, at most 10m", d))
	}
	c.checkIDTokens(wrong)
	c.checkAudit(wrong)
}

// The open edition lets in whom the OpenID provider of DC/OS vouches for (contract 1.11).
const (
	dcosIssuer   = "https://dcos.auth0.com/"
	dcosAudience = "3yF5TOSzdlI45Q1xspxzeoGBe9fNxm9m"
)

// checkIDTokens puts in what the edition expects, and wants both settings or none.
func (c *config) checkIDTokens(wrong *problems) {
	if c.IDTokenIssuer == "auto" && c.IDTokenAudience == "auto" {
		c.IDTokenIssuer, c.IDTokenAudience = "", ""
		if c.Edition == "open" {
			c.IDTokenIssuer, c.IDTokenAudience = dcosIssuer, dcosAudience
		}
		return
	}
	if c.IDTokenIssuer == "auto" || c.IDTokenAudience == "auto" || (c.IDTokenIssuer == "") != (c.IDTokenAudience == "") {
		wrong.add("--id-token-issuer and --id-token-audience: want both or none")
		return
	}
	u, err := url.Parse(c.IDTokenIssuer)
	insecure := err == nil && u.Scheme == "http" && c.AllowInsecureProviders
	if c.IDTokenIssuer != "" && (err != nil || u.Host == "" || u.Scheme != "https" && !insecure) {
		wrong.add(fmt.Sprintf("--id-token-issuer: %q: want an https URL", c.IDTokenIssuer))
	}
}

func choice(name, value string, wrong *problems, allowed ...string) {
	if !slices.Contains(allowed, value) {
		wrong.add(fmt.Sprintf("--%s: %q: want %s", name, value, strings.Join(allowed, " or ")))
	}
}

func regularFile(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New(path + " is not a file")
	}
	return nil
}
