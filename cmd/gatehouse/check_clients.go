package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
	"unicode"

	"gatehouse/httpapi"
)

// checkClients are the rules for what clients meet: TLS, cookies, the names and ids that they are shown, DNS.
func (c *config) checkClients(wrong *problems) {
	c.checkTLS(wrong)
	c.checkCookies(wrong)
	c.checkShown(wrong)
	c.checkDNS(wrong)
}

func (c *config) checkTLS(wrong *problems) {
	https := c.hasListener(schemeHTTPS)
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{(c.TLSCert == "") != (c.TLSKey == ""), "--tls-cert and --tls-key: want both or neither"},
		{c.TLSAuto && c.TLSCert != "", "--tls-auto and --tls-cert: want one of them"},
		{c.TLSAuto && c.TLSCAFile != "", "--tls-auto and --tls-ca-file: want one of them; the own authority is served by itself"},
		{https && !c.TLSAuto && c.TLSCert == "", "--listen https://: want a certificate, by --tls-cert and --tls-key or by --tls-auto"},
		{!https && c.TLSCert != "", "--tls-cert: no --listen is https"},
		{!https && c.TLSAuto, "--tls-auto: no --listen is https"},
		{!https && c.TLSClientCA != "", "--tls-client-ca: no --listen is https, so nobody would be asked for a certificate"},
		{!https && c.HSTS > 0, "--hsts: no --listen is https; behind a proxy that ends TLS, it sends the header"},
		{!c.TLSAuto && len(c.TLSNames) > 0, "--tls-names: only the certificate of --tls-auto can have further names"},
		{c.HSTS%time.Second != 0, fmt.Sprintf("--hsts: %v: want whole seconds", c.HSTS)},
		{c.RedirectPort < 1 || c.RedirectPort > 65535, fmt.Sprintf("--redirect-port: %d: want 1 to 65535", c.RedirectPort)},
	} {
		if rule.broken {
			wrong.add(rule.text)
		}
	}
	for _, name := range c.TLSNames {
		if _, err := netip.ParseAddr(name); err != nil && !validDNSName(name) && !isWildcard(name) {
			wrong.add(fmt.Sprintf("--tls-names: %q: want a DNS name or an IP address", name))
		}
	}
}

// checkCookies makes a lifetime of 0 the token's. A cookie that outlived its token would look like a login.
func (c *config) checkCookies(wrong *problems) {
	for name, life := range map[string]*time.Duration{"auth": &c.AuthCookieLifetime, "info": &c.InfoCookieLifetime} {
		switch {
		case *life == 0:
			*life = c.AuthTokenLifetime
		case *life < time.Second || *life > c.AuthTokenLifetime:
			wrong.add(fmt.Sprintf("--%s-cookie-lifetime: %v: want 0s, or 1s to --auth-token-lifetime (%v)", name, *life, c.AuthTokenLifetime))
		}
	}
}

// cookieSecure decides whether browsers are told to send the login cookie over https only. By itself a master is sure that they come by
// https when they can reach it in no other way; what a proxy in front speaks, it does not know.
func (c *config) cookieSecure() bool {
	if c.CookieSecure != "auto" {
		return c.CookieSecure == "true"
	}
	for _, spec := range c.Listeners {
		if !spec.TLS && spec.Surfaces&httpapi.KindIAM != 0 {
			return false
		}
	}
	return true
}

func (c *config) checkShown(wrong *problems) {
	for name, text := range map[string]string{"cluster-name": c.ClusterName, "dcos-version": c.DCOSVersion} {
		if len(text) > 128 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			wrong.add(fmt.Sprintf("--%s: %q: want at most 128 printable characters", name, text))
		}
	}
	if c.DCOSVersion == "" {
		wrong.add("--dcos-version: must not be empty")
	}
	var err error
	if c.ShownClusterID, err = readClusterID(c.ClusterIDFile); err != nil {
		wrong.add(fmt.Sprintf("--cluster-id-file: %v", err))
	}
	if c.PublicIP == "" {
		if _, err := netip.ParseAddr(c.Advertise); err == nil {
			c.PublicIP = c.Advertise
		}
	} else if _, err := netip.ParseAddr(c.PublicIP); err != nil {
		wrong.add(fmt.Sprintf("--public-ip: %q: want an IP address", c.PublicIP))
	}
}

// readClusterID reads a file of one word; "" when there is no file.
func readClusterID(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	if err := regularFile(path); err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(data))
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return "", errors.New(path + ": want one id of at most 128 printable characters")
	}
	return id, nil
}

// validDNSName accepts host names: labels of letters, digits and dashes (RFC 1123, 2.1), and underscores within them.
func validDNSName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		bad := strings.ContainsFunc(label, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		})
		if bad || label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}
