package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// setting is one thing that can be set on a master: by the flag --name, the variable
// GATEHOUSE_NAME, or the key name in the YAML file.
type setting struct {
	name string
	kind string // shown by --help
	def  string
	help string
	field
}

// field is where a setting is kept: how it is read, and how what counts in the end is shown.
type field struct {
	set func(*config, []string) error
	get func(*config) []string
}

const defaultDataDir = "/var/lib/gatehouse"

// settings are all of them, in the order of --help.
var settings = []setting{
	{"data-dir", "dir", defaultDataDir, "where this master keeps its data", text(func(c *config) *string { return &c.DataDir })},
	{"name", "name", "", "what people call this master (default: the host name); a replacement takes its predecessor's", text(func(c *config) *string { return &c.Name })},
	{"listen", "address", "127.0.0.1:8101", "where the API is served: [SCHEME://]HOST:PORT[/SURFACES]; may be given several times", list(func(c *config) *[]string { return &c.Listen })},
	{"peer-listen", "host:port", "", "where the other masters connect (default: port of the first --listen + 1)", text(func(c *config) *string { return &c.PeerListen })},
	{"gossip-listen", "host:port", "", "where masters find each other, TCP and UDP (default: port of the first --listen + 2)", text(func(c *config) *string { return &c.GossipListen })},
	{"advertise", "host", "", "the host under which the other masters reach this one (default: where it listens)", text(func(c *config) *string { return &c.Advertise })},
	{"api-advertise", "host:port", "", "the same for the API alone, behind address translation", text(func(c *config) *string { return &c.APIAdvertise })},
	{"peer-advertise", "host:port", "", "the same for the peer port", text(func(c *config) *string { return &c.PeerAdvertise })},
	{"gossip-advertise", "ip:port", "", "the same for gossip", text(func(c *config) *string { return &c.GossipAdvertise })},
	{"cluster-key-file", "file", "/etc/gatehouse/cluster.key", "the key that all masters share (gatehouse keygen), mode 0600 or 0400", text(func(c *config) *string { return &c.ClusterKeyFile })},
	{"expect", "n", "0", "form a new cluster when n masters have found each other; 0 only joins", integer(func(c *config) *int { return &c.Expect })},
	{"join", "host:port", "", "gossip address of any master, or a name with several addresses; may be given several times", list(func(c *config) *[]string { return &c.Join })},

	{"tls-cert", "file", "", "certificate for clients, PEM with its chain; read again when it changes", text(func(c *config) *string { return &c.TLSCert })},
	{"tls-key", "file", "", "its private key, PEM; others must not reach the file (chmod o=)", text(func(c *config) *string { return &c.TLSKey })},
	{"tls-client-ca", "file", "", "authorities, PEM, one of which must have signed the certificate of every client of an https listener", text(func(c *config) *string { return &c.TLSClientCA })},
	{"tls-ca-file", "file", "", "certificate authority, PEM, that is served at /ca/dcos-ca.crt", text(func(c *config) *string { return &c.TLSCAFile })},
	{"tls-auto", "bool", "false", "certificates from an own authority that follows from the cluster key, for development", boolean(func(c *config) *bool { return &c.TLSAuto })},
	{"tls-names", "name", "", "further names and addresses in the certificate of --tls-auto", list(func(c *config) *[]string { return &c.TLSNames })},
	{"hsts", "duration", "0s", "tell browsers for so long to use https only; 0s tells them nothing", duration(func(c *config) *time.Duration { return &c.HSTS })},
	{"redirect-port", "port", "443", "the https port that redirect listeners point at", integer(func(c *config) *int { return &c.RedirectPort })},
	{"join-resolver", "host:port", "", "DNS server for the names in --join, in place of this host's resolver; may be given several times", list(func(c *config) *[]string { return &c.JoinResolver })},

	{"superuser-username", "uid", "", "superuser of a new cluster; needs --superuser-password-hash", text(func(c *config) *string { return &c.SuperuserUsername })},
	{"superuser-password-hash", "hash", "", "its password as gatehouse hash-password prints it, or a crypt(3) $6$ string", text(func(c *config) *string { return &c.SuperuserPasswordHash })},
	{"superuser-service-account-uid", "uid", "", "superuser service account of a new cluster; needs the public key", text(func(c *config) *string { return &c.SuperuserServiceAccount })},
	{"superuser-service-account-public-key", "pem", "", "its public key: PEM text, or the path of a PEM file", text(func(c *config) *string { return &c.SuperuserServicePublicKey })},
	{"bootstrap-file", "file", "", "service accounts, groups and grants of a new cluster, as gatehouse iam export writes them; the same on every master", text(func(c *config) *string { return &c.BootstrapFile })},

	{"edition", "name", "enterprise", "whose habits to follow where editions differ: enterprise or open", text(func(c *config) *string { return &c.Edition })},
	{"authorization", "name", "enterprise", "enterprise: /acs/api/v1 is for superusers and holders of full on dcos:adminrouter:acs; open: for every authenticated user", text(func(c *config) *string { return &c.Authorization })},
	{"authorize-rules", "file", "", "rules, YAML, that say what the requests of reverse proxies need (docs/authorize.md); read again when it changes", text(func(c *config) *string { return &c.AuthorizeRules })},
	{"trusted-proxies", "cidr", "127.0.0.0/8,::1/128", "proxies whose X-Forwarded-For and PROXY protocol are believed", prefixes(func(c *config) *[]netip.Prefix { return &c.TrustedProxies })},
	{"auth-token-lifetime", "duration", "120h", "how long a login lasts, 1m to 720h", duration(func(c *config) *time.Duration { return &c.AuthTokenLifetime })},
	{"login-max-stale", "duration", "0s", "answer logins for so long after losing touch with a majority, 1s to 24h; 0s refuses them", duration(func(c *config) *time.Duration { return &c.LoginMaxStale })},
	{"auth-cookie-lifetime", "duration", "0s", "how long the login cookie lives; 0s as long as the token", duration(func(c *config) *time.Duration { return &c.AuthCookieLifetime })},
	{"info-cookie-lifetime", "duration", "0s", "the same for the cookie that the user interface reads", duration(func(c *config) *time.Duration { return &c.InfoCookieLifetime })},
	{"cookie-secure", "bool|auto", "auto", "mark the login cookie Secure, for browsers that come by https; auto if every --listen for them is https", one(parseAuto, func(c *config) *string { return &c.CookieSecure })},
	{"accept-bearer", "bool", "false", "accept \"Authorization: Bearer\" beside \"token=\"", boolean(func(c *config) *bool { return &c.AcceptBearer })},
	{"refuse-long-lived-logins", "bool", "false", "refuse service login tokens without exp or with one over 10 minutes away", boolean(func(c *config) *bool { return &c.RefuseLongLived })},
	{"allow-insecure-providers", "bool", "false", "let identity providers be at http URLs and at addresses of loopback and link-local, for development", boolean(func(c *config) *bool { return &c.AllowInsecureProviders })},
	{"id-token-issuer", "url|auto", "auto", "OpenID provider by whose ID tokens users log in; empty refuses them; auto is empty, with --edition open that of DC/OS", text(func(c *config) *string { return &c.IDTokenIssuer })},
	{"id-token-audience", "text|auto", "auto", "the audience, a client id, that these ID tokens must have; needs --id-token-issuer", text(func(c *config) *string { return &c.IDTokenAudience })},
	{"min-service-key-bits", "n", "2048", "the least size of a service account's RSA key, 1024 to 8192", integer(func(c *config) *int { return &c.MinServiceKeyBits })},
	{"ui-config-file", "file", "", "JSON object that /acs/api/v1/uiconfig extends", text(func(c *config) *string { return &c.UIConfigFile })},
	{"cluster-name", "text", "", "what dcos cluster list shows (default: the cluster id)", text(func(c *config) *string { return &c.ClusterName })},
	{"cluster-id-file", "file", "", "file with the cluster id that clients are shown in place of our own, such as /var/lib/dcos/cluster-id", text(func(c *config) *string { return &c.ClusterIDFile })},
	{"dcos-version", "text", "2.2.0", "the DC/OS release that clients are told to find", text(func(c *config) *string { return &c.DCOSVersion })},
	{"public-ip", "ip", "", "public address that /metadata shows (default: the advertised host if it is an address)", text(func(c *config) *string { return &c.PublicIP })},

	{"dns-listen", "host:port", "", "answer DNS here, UDP and TCP, for the names of this cluster; empty does not", text(func(c *config) *string { return &c.DNSListen })},
	{"dns-zone", "name", "mesos", "the zone that is answered for", text(func(c *config) *string { return &c.DNSZone })},
	{"dns-ttl", "duration", "2s", "how long answers may be kept, 0s to 60s", duration(func(c *config) *time.Duration { return &c.DNSTTL })},
	{"dns-names", "name", "master,leader", "the names in the zone: first that of all healthy masters, then that of the leader", list(func(c *config) *[]string { return &c.DNSNames })},

	{"auto-unseal", "name", "key-file", "how stores open without people: key-file (a key that follows from the cluster key), pkcs11 (a key in a token), or off", text(func(c *config) *string { return &c.AutoUnseal })},
	{"pkcs11-library", "file", "", "shared library of the token's maker, for --auto-unseal pkcs11", text(func(c *config) *string { return &c.PKCS11.Library })},
	{"pkcs11-token", "label", "", "label of the token", text(func(c *config) *string { return &c.PKCS11.Token })},
	{"pkcs11-key", "label", "", "label of the AES key in the token", text(func(c *config) *string { return &c.PKCS11.Key })},
	{"pkcs11-pin-file", "file", "", "the token's user PIN, mode 0600 or 0400", text(func(c *config) *string { return &c.PKCS11.PINFile })},
	{"secrets-max-size", "size", "1MiB", "the largest secret, metadata included, 1KiB to 1MiB", size(func(c *config) *int64 { return &c.SecretsMaxSize })},
	{"secrets-max-bytes", "size", "512MiB", "all versions of all secrets together, 1MiB to 4GiB; they lie in memory on every master", size(func(c *config) *int64 { return &c.SecretsMaxBytes })},

	{"ldap-sync-interval", "duration", "30m", "how often the leader brings users and groups in line with the LDAP directory, 1s to 24h; 0s never does", duration(func(c *config) *time.Duration { return &c.LDAPSyncInterval })},
	{"ldap-import-limit", "duration", "2m", "how long the import of an LDAP group may look for members, up to 10m; it must be below the timeout of proxies", duration(func(c *config) *time.Duration { return &c.LDAPImportLimit })},

	{"raft-multiplier", "factor", "1", "stretches every timeout between masters, 1 to 10, for slow networks", decimal(func(c *config) *float64 { return &c.RaftMultiplier })},
	{"disk-reserve", "size", "0", "space kept back for a full disk; 0 chooses by the disk's size", size(func(c *config) *int64 { return &c.DiskReserve })},
	{"disk-low-water", "size", "0", "free space below which writes are refused; 0 chooses by the disk's size", size(func(c *config) *int64 { return &c.DiskLowWater })},
	{"admin-socket", "path", "", "socket for reset-superuser and profiles, mode 0600 (default: admin.sock in the data directory)", text(func(c *config) *string { return &c.AdminSocket })},
	{"audit-log", "dir", "", "directory of the audit trail; - is standard error, off keeps none (default: audit in the data directory)", text(func(c *config) *string { return &c.AuditLog })},
	{"audit-format", "name", "", "logfmt or json (default: logfmt, but json on standard error beside a JSON log)", text(func(c *config) *string { return &c.AuditFormat })},
	{"audit-require", "name", "changes", "changes: refuse a change whose audit record cannot be made durable; none: go on, and count the loss", text(func(c *config) *string { return &c.AuditRequire })},
	{"audit-rotate-size", "size", "64MiB", "size from which a new audit file is begun", size(func(c *config) *int64 { return &c.AuditRotateSize })},
	{"audit-keep", "n", "100", "how many audit files are kept; 0 keeps all", integer(func(c *config) *int { return &c.AuditKeep })},
	{"log-level", "level", "info", "debug, info, warn or error", text(func(c *config) *string { return &c.LogLevel })},
	{"log-format", "name", "json", "json or text", text(func(c *config) *string { return &c.LogFormat })},
	{"pprof", "bool", "false", "serve profiles on the admin socket", boolean(func(c *config) *bool { return &c.Pprof })},
}

// one is a field that holds a single value.
func one[T any](parse func(string) (T, error), at func(*config) *T) field {
	set := func(c *config, values []string) error {
		if len(values) != 1 {
			return fmt.Errorf("want one value, got %d", len(values))
		}
		v, err := parse(strings.TrimSpace(values[0]))
		if err != nil {
			return fmt.Errorf("%q: %w", values[0], err)
		}
		*at(c) = v
		return nil
	}
	return field{set, func(c *config) []string { return []string{fmt.Sprint(*at(c))} }}
}

// many is a field that holds several values; each value given may itself be a list with commas.
func many[T any](parse func(string) (T, error), at func(*config) *[]T) field {
	set := func(c *config, values []string) error {
		var all []T
		for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
			item = strings.TrimSpace(item)
			if item == "" {
				continue
			}
			v, err := parse(item)
			if err != nil {
				return fmt.Errorf("%q: %w", item, err)
			}
			all = append(all, v)
		}
		*at(c) = all
		return nil
	}
	return field{set, func(c *config) (all []string) {
		for _, v := range *at(c) {
			all = append(all, fmt.Sprint(v))
		}
		return all
	}}
}

func plain(s string) (string, error) { return s, nil }

func text(at func(*config) *string) field { return one(plain, at) }

func list(at func(*config) *[]string) field { return many(plain, at) }

func prefixes(at func(*config) *[]netip.Prefix) field { return many(parsePrefix, at) }

func boolean(at func(*config) *bool) field {
	return one(func(s string) (bool, error) {
		v, err := strconv.ParseBool(s)
		if err != nil {
			return false, errors.New("want true or false")
		}
		return v, nil
	}, at)
}

// parseAuto reads "auto" or a truth value, which becomes "true" or "false".
func parseAuto(s string) (string, error) {
	if s == "auto" {
		return s, nil
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		return "", errors.New("want auto, true or false")
	}
	return strconv.FormatBool(v), nil
}

func integer(at func(*config) *int) field {
	return one(func(s string) (int, error) {
		v, err := strconv.Atoi(s)
		if err != nil {
			return 0, errors.New("want a whole number")
		}
		return v, nil
	}, at)
}

func decimal(at func(*config) *float64) field {
	return one(func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, errors.New("want a number")
		}
		return v, nil
	}, at)
}

func duration(at func(*config) *time.Duration) field {
	return one(func(s string) (time.Duration, error) {
		v, err := time.ParseDuration(s)
		if err != nil || v < 0 {
			return 0, errors.New("want a duration such as 90s, 15m or 120h")
		}
		return v, nil
	}, at)
}

func size(at func(*config) *int64) field { return one(parseSize, at) }

// parseSize reads bytes: "67108864", "64MiB", "1GiB".
func parseSize(s string) (int64, error) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			s, shift = number, 10*(i+1)
		}
	}
	v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || v < 0 || v > (1<<62)>>shift {
		return 0, errors.New("want a size such as 64MiB")
	}
	return v << shift, nil
}

// parsePrefix reads a network, or an address as the network of one host.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errors.New("want an address or a network such as 10.0.0.0/8")
	}
	return prefix.Masked(), nil
}

// hostName is the default of --name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
