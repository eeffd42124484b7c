//go:build cgo

package autounseal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/miekg/pkcs11"
)

// PKCS11Supported says whether this binary can use PKCS#11 tokens.
const PKCS11Supported = true

// token is the PKCS#11 method. One goroutine makes all calls of the module, one after the other: modules differ in how
// well they bear several at once, and a call cannot be cancelled. A call that hangs makes every later one fail in time.
type token struct {
	o     Options
	lib   *pkcs11.Ctx
	jobs  chan func()
	stop  chan struct{}
	once  sync.Once
	keyID atomic.Value // string

	// Of the goroutine alone.
	session *session    // nil until it is needed, and after a failure
	badPIN  fs.FileInfo // the PIN file whose PIN the token refused
}

// PKCS11 loads a module, and refuses what can never work: a module that does not load, a PIN file that others can read, a
// key that is not there or cannot do AES-GCM. A token that does not answer, or refuses the PIN, is no such
// thing: the method is tried again when it is needed, and Check says what is wrong now.
func PKCS11(o Options) (Method, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = usualTimeout
	}
	t := &token{o: o, jobs: make(chan func()), stop: make(chan struct{})}
	t.keyID.Store("")
	if t.lib = pkcs11.New(o.Library); t.lib == nil {
		return nil, fmt.Errorf("PKCS#11 library %s cannot be loaded: want a shared library for this machine's architecture that has C_GetFunctionList", o.Library)
	}
	go t.work()
	_, err := do(context.Background(), t, func() (struct{}, error) { return struct{}{}, t.connect() })
	if err == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrPIN) {
		return t, nil
	}
	return nil, errors.Join(err, t.Close())
}

func (*token) Name() string    { return NamePKCS11 }
func (t *token) KeyID() string { return t.keyID.Load().(string) }

// Close ends the session, and the use of the module in this process.
func (t *token) Close() error {
	t.once.Do(func() {
		_, _ = do(context.Background(), t, func() (struct{}, error) { t.disconnect(); return struct{}{}, nil })
		close(t.stop)
	})
	return nil
}

// work keeps to one thread: some modules bind a session to it.
func (t *token) work() {
	runtime.LockOSThread()
	for {
		select {
		case job := <-t.jobs:
			job()
		case <-t.stop:
			return
		}
	}
}

// do has the goroutine of a token do something, and waits for it no longer than ctx and the timeout allow.
func do[T any](ctx context.Context, t *token, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	done := make(chan result, 1)
	job := func() {
		value, err := f()
		done <- result{value, err}
	}
	select {
	case t.jobs <- job:
	case <-t.stop:
		return none, fmt.Errorf("%w: it is closed", ErrUnavailable)
	case <-ctx.Done():
		return none, fmt.Errorf("%w: an earlier call of the PKCS#11 token has not returned", ErrUnavailable)
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, fmt.Errorf("%w: the PKCS#11 token does not answer", ErrUnavailable)
	}
}

func (t *token) Seal(ctx context.Context, ad, plaintext []byte) ([]byte, error) {
	plaintext = bytes.Clone(plaintext) // the caller may wipe its own when we give up waiting
	return do(ctx, t, func() ([]byte, error) {
		defer clear(plaintext)
		blob, err := t.again(func(s *session) ([]byte, error) { return s.seal(ad, plaintext) })
		if t.refused(err) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return blob, err
	})
}

func (t *token) Open(ctx context.Context, keyID string, ad, blob []byte) ([]byte, error) {
	sealedBy, payload, err := open(NamePKCS11, keyID, blob)
	if err != nil {
		return nil, err
	}
	bound := bind(blob[:len(blob)-len(payload)], ad)
	return do(ctx, t, func() ([]byte, error) {
		plaintext, err := t.again(func(s *session) ([]byte, error) { return s.open(sealedBy, bound, payload) })
		if t.refused(err) { // in a session that has just proved that it opens
			return nil, fmt.Errorf("%w: %w", ErrBlob, err)
		}
		return plaintext, err
	})
}

// again makes a call, and once more in a new session when the token refused: sessions end with a restart of the token's
// server, handles with a change of its keys.
func (t *token) again(call func(*session) ([]byte, error)) ([]byte, error) {
	out, err := t.try(call)
	if t.refused(err) {
		t.disconnect()
		out, err = t.try(call)
	}
	return out, err
}

// refused says whether a call in a session failed by a code of the module, rather than the way to a session.
func (t *token) refused(err error) bool {
	_, code := errors.AsType[pkcs11.Error](err)
	return code && t.session != nil
}

func (t *token) try(call func(*session) ([]byte, error)) ([]byte, error) {
	if err := t.connect(); err != nil {
		return nil, err
	}
	return call(t.session)
}
