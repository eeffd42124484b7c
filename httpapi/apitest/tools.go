package apitest

import (
	"bytes"
	"context"
	"sync"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/keyring"
	"gatehouse/keyring/token"
)

// Clock is the clock of all masters.
type Clock struct {
	mu   sync.Mutex // guards now
	now  time.Time
	real bool
}

// Now is the time.
func (c *Clock) Now() time.Time {
	if c.real {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the time on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Buffer takes what several goroutines write.
type Buffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write appends.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String is all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Reset forgets what was written.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}

// Keys are made once: RSA takes its time.
var (
	ring       = sync.OnceValue(func() *keyring.Ring { return must(keyring.Generate()) })
	signingKey = sync.OnceValue(func() *iam.SigningKey { return must(token.GenerateSigningKey(ring(), Noon)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Token is a token of the user that lives for a day.
func (h *House) Token(uid string) string {
	h.T.Helper()
	now := h.Clock.Now().Truncate(time.Second)
	raw, err := token.NewIssuer(ring(), 0).Issue(context.Background(), h.Leader().State(), uid, now, now.Add(24*time.Hour))
	if err != nil {
		h.T.Fatalf("issue a token: %v", err)
	}
	return raw
}
