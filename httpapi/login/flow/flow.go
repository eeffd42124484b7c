package flow

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// How long each of the four may be used.
const (
	FlowLife     = 10 * time.Minute // the time that a person has at the identity provider
	HandleLife   = time.Minute      // one redirect
	QuestionLife = 2 * time.Minute  // a person reads a sentence and presses a button
	CodeLife     = time.Minute      // one redirect and one request
)

// idSize is how many random bytes an id and a nonce have: too many to guess, and 22 characters.
const idSize = 16

// verifierSize makes a PKCE verifier of 43 characters, the least that RFC 7636 allows, with all the entropy that it asks for.
const verifierSize = 32

// Flow is a login that is under way. It is never printed: verifier and nonce are secrets of this browser and this master.
type Flow struct {
	// ID is state or RelayState at the identity provider: 22 characters of base64url.
	ID string `json:"i"`
	// Type and Provider name the identity provider, Version is that of its configuration (iam.Provider).
	Type     string `json:"y"`
	Provider string `json:"p"`
	Version  uint64 `json:"v"`
	// Nonce and Verifier are those of OpenID Connect, the latter of PKCE (RFC 7636).
	Nonce    string `json:"n,omitempty"`
	Verifier string `json:"k,omitempty"`
	// Target is where the browser goes in the end, see [Target].
	Target string `json:"t,omitempty"`
	// Loopback is the port of a command line that waits for a code, and Challenge what it must answer to; 0: none.
	Loopback  int    `json:"l,omitempty"`
	Challenge string `json:"c,omitempty"`
	// Term is the Raft term in which the login started.
	Term uint64 `json:"r"`
	// Started is the leader's clock at the start, in Unix seconds.
	Started int64 `json:"s"`
}

// New begins a flow with fresh secrets.
func New(now time.Time) Flow {
	return Flow{ID: random(idSize), Nonce: random(idSize), Verifier: random(verifierSize), Started: now.Unix()}
}

// Ends is when the flow is over.
func (f *Flow) Ends() time.Time { return time.Unix(f.Started, 0).UTC().Add(FlowLife) }

// Handle is a SAML answer that was verified, on its way to the cookie of its flow.
type Handle struct {
	// Flow is the id of the flow that the answer belongs to.
	Flow string `json:"i"`
	// Provider and Version are the configuration that verified it.
	Provider string `json:"p"`
	Version  uint64 `json:"v"`
	// Name, of which the uid is made, and Description are what the identity provider said.
	Name        string `json:"u"`
	Description string `json:"d,omitempty"`
	Term        uint64 `json:"r"`
	Ends        int64  `json:"e"` // Unix seconds of the leader's clock
}

// Code is a login that is over but for the token, on its way to a command line.
type Code struct {
	ID       string `json:"i"`
	UID      string `json:"u"`
	Type     string `json:"y"`
	Provider string `json:"p"`
	Version  uint64 `json:"v"`
	// Subject is that of the user: who got its uid meanwhile is another.
	Subject   string `json:"s,omitempty"`
	Challenge string `json:"c"`
	Term      uint64 `json:"r"`
	Ends      int64  `json:"e"` // Unix seconds of the leader's clock
}

// Question is a login for a command line that the person has still to agree to. It lies in a form; the flow stays in the cookie, so that
// only the browser that began the login can answer.
type Question struct {
	Flow string `json:"i"`
	Type string `json:"y"` // that of the flow
	UID  string `json:"u"`
	// Subject is that of the user then: an account that was made anew under the uid meanwhile is another person.
	Subject string `json:"s"`
	Ends    int64  `json:"e"` // Unix seconds of the leader's clock
}

// NewID is an id for a flow or a code.
func NewID() string { return random(idSize) }

func random(size int) string {
	raw := make([]byte, size)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ValidID reports whether s may be the id of a flow: it comes back from outside, as state or RelayState, and must not be trusted to
// be short (hostile M22).
func ValidID(s string) bool { return encodes(s, idSize) }

// ValidChallenge reports whether s may be the S256 challenge of a verifier.
func ValidChallenge(s string) bool { return encodes(s, sha256.Size) }

// encodes reports whether s is the one spelling of that many bytes.
func encodes(s string, size int) bool {
	if len(s) != base64.RawURLEncoding.EncodedLen(size) || strings.ContainsAny(s, "\r\n") {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil
}

// Challenge is the S256 challenge of a verifier (RFC 7636, 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// The lengths of a verifier in characters (RFC 7636, 4.1).
const minVerifier, maxVerifier = 43, 128

// Answers reports whether the verifier is one, and the one that the challenge was made of.
func Answers(verifier, challenge string) bool {
	if len(verifier) < minVerifier || len(verifier) > maxVerifier || strings.ContainsFunc(verifier, reserved) {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(Challenge(verifier)), []byte(challenge)) == 1
}

// reserved reports whether c is none of the unreserved characters of RFC 3986, of which verifiers are made.
func reserved(c rune) bool {
	return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("-._~", c)
}

// CookiePrefix begins the names of the cookies of flows.
const CookiePrefix = "gatehouse-login-"

// CookieName is the name of the cookie of the flow with that valid id. Several logins may be under way in one browser, so each has a
// name of its own; half of the id is enough for that.
func CookieName(id string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(id)
	return CookiePrefix + hex.EncodeToString(raw[:min(len(raw), idSize/2)])
}

// ErrForeign says that something was not sealed by this cluster for this purpose, or was changed since.
var ErrForeign = errors.New("not sealed by this cluster for this")
