package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// caLabel names the derived keys of the peer authority.
const caLabel = "peer-ca"

// Certificates are never checked against a clock: a master whose clock is wrong must still find its cluster, and the
// certificates live only as long as the process. They are issued for all time and verified at one fixed moment.
var (
	certFrom = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	certTo   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280 4.1.2.5: no well-defined end
	certAt   = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
)

// peerName is what a certificate says about its holder.
type peerName struct {
	server  string
	cluster string // "" while the server has no cluster
}

// authority issues and checks peer certificates. Every master derives the same authority keys from the key file, so
// there is nothing to distribute; whoever holds the file is a master as far as certificates can tell.
//
// The file holds several keys while they are changed, one master after the other. A certificate is signed by the newest
// authority that the master has, and comes with certificates by which each older authority vouches for the newest. So
// two masters that share any key accept each other. Never the other way round: a new authority that vouched for an old
// one would make dropping that one's key worthless.
type authority struct {
	signer ed25519.PrivateKey
	ca     *x509.Certificate
	bridge [][]byte       // certificates of ca by the older authorities
	roots  *x509.CertPool // one per key of the file
}

// newAuthority builds the authority from Ed25519 seeds, the oldest first.
func newAuthority(seeds [][]byte) (*authority, error) {
	if len(seeds) == 0 {
		return nil, errors.New("the key file holds no key")
	}
	a := &authority{roots: x509.NewCertPool()}
	var older []*authority
	for _, seed := range seeds {
		if len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("peer authority seed of %d bytes", len(seed))
		}
		key := ed25519.NewKeyFromSeed(seed)
		ca, err := selfSign(key)
		if err != nil {
			return nil, fmt.Errorf("build the peer authority: %w", err)
		}
		a.roots.AddCert(ca)
		a.signer, a.ca = key, ca
		older = append(older, &authority{signer: key, ca: ca})
	}
	for _, old := range older[:len(older)-1] {
		der, err := old.vouch(a.ca)
		if err != nil {
			return nil, fmt.Errorf("build the peer authority: %w", err)
		}
		a.bridge = append(a.bridge, der)
	}
	return a, nil
}

// caTemplate is the certificate of an authority's key. Below it there is at most one other authority.
func caTemplate(pub ed25519.PublicKey) *x509.Certificate {
	id := sha256.Sum256(pub)
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gatehouse peers"},
		NotBefore: certFrom, NotAfter: certTo, SubjectKeyId: id[:20],
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign,
	}
}

func selfSign(key ed25519.PrivateKey) (*x509.Certificate, error) {
	pub := key.Public().(ed25519.PublicKey)
	t := caTemplate(pub)
	der, err := x509.CreateCertificate(rand.Reader, t, t, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// vouch certifies a newer authority, which may sign for servers only.
func (a *authority) vouch(newer *x509.Certificate) ([]byte, error) {
	pub := newer.PublicKey.(ed25519.PublicKey)
	t := caTemplate(pub)
	t.MaxPathLen, t.MaxPathLenZero = 0, true
	t.AuthorityKeyId = a.ca.SubjectKeyId
	return x509.CreateCertificate(rand.Reader, t, a.ca, pub, a.signer)
}

// issue makes a key pair and a certificate that names the server and, if known, the cluster.
func (a *authority) issue(name peerName) (*tls.Certificate, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a peer key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a certificate number: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "gatehouse server"},
		NotBefore: certFrom, NotAfter: certTo, URIs: name.uris(),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.ca, pub, a.signer)
	if err != nil {
		return nil, fmt.Errorf("issue a peer certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issue a peer certificate: %w", err)
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, a.bridge...), PrivateKey: key, Leaf: leaf}, nil
}

// maxChain is the longest chain that is looked at: one certificate, and a vouching one per older key.
const maxChain = 16

// verify checks that a certificate comes from the authority and returns whom it names.
func (a *authority) verify(chain []*x509.Certificate) (peerName, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return peerName{}, fmt.Errorf("peer sent %d certificates, want 1 to %d", len(chain), maxChain)
	}
	bridge := x509.NewCertPool()
	for _, c := range chain[1:] {
		bridge.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: a.roots, Intermediates: bridge, CurrentTime: certAt, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return peerName{}, fmt.Errorf("peer certificate is not from this cluster's key file: %w", err)
	}
	return parseName(chain[0].URIs)
}

func (n peerName) uris() []*url.URL {
	u := []*url.URL{{Scheme: "gatehouse", Host: "server", Path: "/" + n.server}}
	if n.cluster != "" {
		u = append(u, &url.URL{Scheme: "gatehouse", Host: "cluster", Path: "/" + n.cluster})
	}
	return u
}

// parseName reads exactly one server and at most one cluster.
func parseName(uris []*url.URL) (peerName, error) {
	var n peerName
	for _, u := range uris {
		value := strings.TrimPrefix(u.Path, "/")
		switch {
		case u.Scheme != "gatehouse" || !validID(value):
			return peerName{}, errors.New("peer certificate has a foreign name")
		case u.Host == "server" && n.server == "":
			n.server = value
		case u.Host == "cluster" && n.cluster == "":
			n.cluster = value
		default:
			return peerName{}, errors.New("peer certificate has a foreign or repeated name")
		}
	}
	if n.server == "" {
		return peerName{}, errors.New("peer certificate names no server")
	}
	return n, nil
}

// validID bounds server and cluster ids to what fits URLs, frames and logs: 1 to 64 of [0-9A-Za-z-].
func validID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
			return false
		}
	}
	return true
}
