package token

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/fsm/iam"
)

func TestKeysOfEveryStatusVerify(t *testing.T) {
	c := home()
	raw := c.authToken(goodClaims())
	for _, status := range []iam.KeyStatus{iam.Prepared, iam.Active, iam.Retiring} {
		key := *c.key
		key.Status = status
		if _, err := NewVerifier(0).Verify(keys{abroad().key, &key}, raw, now); err != nil {
			t.Errorf("%s key: %v", status, err)
		}
	}
}

func TestARememberedSignatureIsNotVerifiedAgain(t *testing.T) {
	c := home()
	v := NewVerifier(0)
	raw := c.authToken(goodClaims())
	first, err := v.Verify(c.source(), raw, now)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	// A key that could verify nothing stands under the same id: only what is remembered can still succeed.
	broken := *c.key
	broken.PublicKey = nil
	v.keys.Purge()
	again, err := v.Verify(keys{&broken}, raw, now)
	if err != nil || again != first {
		t.Errorf("Verify = %v, %v, want the remembered claims", again, err)
	}
	if _, err := NewVerifier(0).Verify(keys{&broken}, raw, now); !errors.Is(err, ErrInvalid) {
		t.Errorf("Verify without memory: %v, want ErrInvalid", err)
	}
}

func TestARememberedTokenStillExpiresAndStillNeedsItsKey(t *testing.T) {
	c := home()
	v := NewVerifier(0)
	raw := c.authToken(goodClaims())
	if _, err := v.Verify(c.source(), raw, now); err != nil {
		t.Fatalf("Verify: %v", err)
	}
	for _, step := range []struct {
		name string
		src  Source
		at   time.Time
		want error
	}{
		{"after exp", c.source(), now.Add(time.Hour), ErrInvalid},
		{"long before iat", c.source(), now.Add(-time.Minute), ErrInvalid},
		{"key retired", keys{}, now, ErrUnknownKey},
		{"another cluster's key", abroad().source(), now, ErrUnknownKey},
		{"as at first", c.source(), now, nil},
	} {
		claims, err := v.Verify(step.src, raw, step.at)
		if !errors.Is(err, step.want) || err != nil && claims != (Claims{}) {
			t.Errorf("%s: %+v, %v, want %v", step.name, claims, err, step.want)
		}
	}
}

func TestRefusedTokensAreNotRemembered(t *testing.T) {
	c := home()
	v := NewVerifier(2)
	for _, raw := range []string{c.authToken(`{}`), sign(service(), c.header(), goodClaims()), abroad().authToken(goodClaims())} {
		if _, err := v.Verify(c.source(), raw, now); err == nil {
			t.Fatal("a bad token verifies")
		}
	}
	if got := v.signatures.Len(); got != 0 {
		t.Errorf("%d refused tokens are remembered", got)
	}
	for _, uid := range []string{"a", "b", "c"} {
		if _, err := v.Verify(c.source(), c.authToken(strings.Replace(goodClaims(), "alice", uid, 1)), now); err != nil {
			t.Fatalf("Verify: %v", err)
		}
	}
	if got := v.signatures.Len(); got != 2 {
		t.Errorf("%d tokens are remembered, want at most 2", got)
	}
}

func TestAKeyUnderAnothersIDVerifiesNothing(t *testing.T) {
	swapped := *home().key
	swapped.PublicKey = abroad().key.PublicKey
	raw := sign(abroad().private, home().header(), goodClaims())
	if _, err := NewVerifier(0).Verify(keys{&swapped}, raw, now); !errors.Is(err, ErrInvalid) {
		t.Errorf("Verify with a key that does not belong to its id: %v, want ErrInvalid", err)
	}
}

func TestNoCharacterOfATokenCanBeChanged(t *testing.T) {
	c := home()
	v := NewVerifier(0)
	raw := c.authToken(goodClaims())
	for i := range raw {
		for _, char := range []byte("A_0.") {
			changed := raw[:i] + string(char) + raw[i+1:]
			if changed == raw {
				continue
			}
			if claims, err := v.Verify(c.source(), changed, now); err == nil || claims != (Claims{}) {
				t.Fatalf("character %d changed to %c: accepted", i, char)
			}
		}
	}
}

func TestAVerifierIsSafeForConcurrentUse(t *testing.T) {
	c := home()
	v := NewVerifier(4)
	var raws []string
	for _, uid := range []string{"a", "b", "c", "d", "e", "f"} {
		raws = append(raws, c.authToken(strings.Replace(goodClaims(), "alice", uid, 1)))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 60 {
				raw, want := raws[i%len(raws)], string("abcdef"[i%len(raws)])
				if claims, err := v.Verify(c.source(), raw, now); err != nil || claims.UID != want {
					t.Errorf("Verify = %s, %v, want %s", claims.UID, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkVerify(b *testing.B) {
	c := home()
	first, second := c.authToken(goodClaims()), c.authToken(strings.Replace(goodClaims(), "alice", "bob", 1))
	run := func(b *testing.B, v *Verifier, raws ...string) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, err := v.Verify(c.source(), raws[i%len(raws)], now); err != nil {
				b.Fatal(err)
			}
			i++
		}
	}
	b.Run("cached", func(b *testing.B) { run(b, NewVerifier(0), first) })
	b.Run("uncached", func(b *testing.B) { run(b, NewVerifier(1), first, second) })
}

func BenchmarkVerifyServiceLogin(b *testing.B) {
	raw, pub := loginToken(goodLogin()), publicPEM(&service().PublicKey)
	opts := LoginOptions{Keys: home().source()}
	for name, verify := range map[string]func(string, string, string, time.Time, LoginOptions) (LoginClaims, error){
		"cached": NewVerifier(0).VerifyServiceLogin, "uncached": VerifyServiceLogin,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verify(pub, raw, "svc", now, opts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
