package client

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Token is what a login answers. Raw goes into "Authorization: token=…"; the rest is read from it, unverified.
type Token struct {
	Raw string
	UID string
	// Expires is the end by this machine's clock; zero when the token does not say.
	Expires time.Time
}

// String leaves the token out.
func (t Token) String() string { return "token of " + t.UID }

// GoString is String.
func (t Token) GoString() string { return t.String() }

// LogValue leaves the token out.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// checkToken refuses what cannot be sent in a header.
func checkToken(raw string) error {
	if len(raw) > maxToken || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the token is no token: it is too long or holds characters that tokens do not have")
	}
	return nil
}

// skew is how far the clocks may be apart for the end in a token to be taken as it is.
const skew = 5 * time.Second

// inspect reads a token without verifying it: masters do that. Of a token that it cannot read, only Raw is known.
func inspect(raw string) Token {
	t, _ := read(raw)
	return t
}

// read is inspect, and when the token was issued; zero when it does not say.
func read(raw string) (t Token, issued time.Time) {
	t.Raw = raw
	var payload tokenPayload
	if _, _, err := jwt.NewParser().ParseUnverified(raw, &payload); err != nil {
		return t, issued
	}
	t.UID = payload.UID
	if payload.ExpiresAt != nil {
		t.Expires = payload.ExpiresAt.Time
	}
	if payload.IssuedAt != nil {
		issued = payload.IssuedAt.Time
	}
	return t, issued
}

// received is inspect for a token that was issued just now: when this machine's clock is wrong, its life counts and not its end.
func received(raw string, now time.Time) Token {
	t, issued := read(raw)
	if !issued.IsZero() && !t.Expires.IsZero() && now.Sub(issued).Abs() > skew {
		t.Expires = now.Add(t.Expires.Sub(issued))
	}
	return t
}

// session is the token in use.
type session struct {
	mu      sync.Mutex // guards what follows
	token   Token
	renewAt time.Time // zero: never
}

// set takes a token into use.
func (s *session) set(t Token, o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.renewAt = t, time.Time{}
	if !t.Expires.IsZero() {
		s.renewAt = t.Expires.Add(-renewBefore(t.Expires.Sub(o.Now()), o.RenewBefore))
	}
}

// renewBefore is how long before the end of a life a token is renewed. A part of it is left to chance, so that the services of a
// cluster, which were all started at once, do not all log in at once for ever.
func renewBefore(life, wanted time.Duration) time.Duration {
	if wanted == 0 {
		wanted = min(life/10, 5*time.Minute)
	}
	wanted = min(wanted, life/2)
	if wanted <= 0 {
		return 0
	}
	return wanted - rand.N(wanted/4+1)
}

// usable answers the token, if it may be sent at now, and whether it should be renewed.
func (s *session) usable(now time.Time) (t Token, ok, renew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alive := s.token.Raw != "" && (s.token.Expires.IsZero() || now.Before(s.token.Expires))
	return s.token, alive, !alive || !s.renewAt.IsZero() && !now.Before(s.renewAt)
}

// drop forgets a token that was refused, unless it has been replaced already.
func (s *session) drop(raw string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Raw == raw {
		s.token, s.renewAt = Token{}, time.Time{}
	}
}

// later puts a renewal off that has failed: the token still serves.
func (s *session) later(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewAt = at
}
