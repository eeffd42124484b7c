package token

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
	"gatehouse/keyring"
)

// countingOpener counts how often a key is opened.
type countingOpener struct {
	Opener
	opened atomic.Int64
}

func (c *countingOpener) Open(label string, sealed, ad []byte) ([]byte, error) {
	c.opened.Add(1)
	return c.Opener.Open(label, sealed, ad)
}

func issue(t testing.TB, i *Issuer, src Source) string {
	t.Helper()
	raw, err := i.Issue(t.Context(), src, "alice", now, now.Add(5*24*time.Hour))
	if err != nil {
		t.Fatalf("Issue: %v", err)
	}
	return raw
}

func TestAnIssuedTokenVerifiesAndHasTheContractsShape(t *testing.T) {
	c := home()
	raw := issue(t, NewIssuer(c.ring, 0), c.source())
	got, err := NewVerifier(0).Verify(c.source(), raw, now)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	second := now.Truncate(time.Second)
	want := Claims{UID: "alice", IssuedAt: second, Expires: second.Add(5 * 24 * time.Hour), KID: c.key.KID}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims differ (-want +got):\n%s", diff)
	}
	parts := strings.Split(raw, ".")
	for i, want := range []string{
		c.header(),
		fmt.Sprintf(`{"exp":%d,"iat":%d,"uid":"alice"}`, want.Expires.Unix(), want.IssuedAt.Unix()),
	} {
		if got, _ := base64.RawURLEncoding.DecodeString(parts[i]); string(got) != want {
			t.Errorf("segment %d = %s, want %s", i+1, got, want)
		}
	}
}

func TestIssueRefusesWhatVerifyWouldRefuse(t *testing.T) {
	c := home()
	issuer := NewIssuer(c.ring, 0)
	for _, in := range []struct {
		uid      string
		iat, exp time.Time
	}{
		{"", now, now.Add(time.Hour)},
		{"a b", now, now.Add(time.Hour)},
		{"alice", now, now},
		{"alice", now, now.Add(400 * time.Millisecond)},
		{"alice", now, now.Add(-time.Hour)},
		{"alice", time.Time{}, now},
		{"alice", now, time.Unix(maxSeconds+1, 0)},
	} {
		if raw, err := issuer.Issue(t.Context(), c.source(), in.uid, in.iat, in.exp); err == nil {
			t.Errorf("Issue(%q, %v, %v) = %s", in.uid, in.iat, in.exp, raw)
		}
	}
	if _, err := issuer.Issue(t.Context(), c.source(), "alice", now, time.Unix(maxSeconds, 0)); err != nil {
		t.Errorf("Issue until the year 9999: %v", err)
	}
}

func TestOnlyTheActiveKeySigns(t *testing.T) {
	c := home()
	prepared, retiring := *abroad().key, *c.key
	prepared.Status, retiring.Status = iam.Prepared, iam.Retiring
	issuer := NewIssuer(c.ring, 0)
	for _, src := range []keys{nil, {}, {&prepared}, {&retiring, &prepared}} {
		if _, err := issuer.Issue(t.Context(), src, "alice", now, now.Add(time.Hour)); !errors.Is(err, ErrNoSigningKey) {
			t.Errorf("Issue without an active key: %v, want ErrNoSigningKey", err)
		}
	}
	raw := issue(t, issuer, keys{&prepared, c.key})
	if got, err := NewVerifier(0).Verify(c.source(), raw, now); err != nil || got.KID != c.key.KID {
		t.Errorf("signed by %s, %v, want the active key %s", got.KID, err, c.key.KID)
	}
}

func TestAKeyIsOpenedOnceAndForgottenWhenItLeavesTheState(t *testing.T) {
	c := home()
	next := *must(GenerateSigningKey(c.ring, now))
	next.Status = iam.Active
	retiring := *c.key
	retiring.Status = iam.Retiring
	opener := &countingOpener{Opener: c.ring}
	issuer := NewIssuer(opener, 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { issue(t, issuer, c.source()) })
	}
	wg.Wait()
	if got := opener.opened.Load(); got != 1 {
		t.Errorf("opened %d times, want once", got)
	}
	issue(t, issuer, keys{&next, &retiring})
	if got := len(issuer.opened); got != 2 {
		t.Errorf("%d keys are kept during the rotation, want 2", got)
	}
	issuer.opened = map[string]opened{c.key.KID: issuer.opened[c.key.KID]}
	issue(t, issuer, keys{&next})
	if _, ok := issuer.opened[c.key.KID]; ok || len(issuer.opened) != 1 {
		t.Error("a key that left the state is still kept")
	}
}

func TestAKeyThatCannotBeOpenedIsNamed(t *testing.T) {
	c := home()
	mixed := *c.key
	mixed.Sealed = c.ring.Seal(keyLabel, must(abroad().ring.Open(keyLabel, abroad().key.Sealed, []byte(abroad().key.KID))), []byte(c.key.KID))
	garbage := *c.key
	garbage.Sealed = c.ring.Seal(keyLabel, []byte("not a key"), []byte(c.key.KID))
	moved := *abroad().key
	moved.Sealed = c.key.Sealed
	damaged := *c.key
	damaged.Sealed = bytes.Clone(c.key.Sealed)
	damaged.Sealed[len(damaged.Sealed)-1] ^= 1
	empty := *c.key
	empty.Sealed = nil
	for _, in := range []struct {
		name  string
		key   *iam.SigningKey
		ring  *keyring.Ring
		want  error
		words string
	}{
		{"another cluster's ring", c.key, abroad().ring, keyring.ErrUnknownKey, c.ring.PrimaryID()},
		{"damaged", &damaged, c.ring, keyring.ErrSealed, c.ring.PrimaryID()},
		{"sealed for another kid", &moved, c.ring, keyring.ErrSealed, abroad().key.KID},
		{"empty", &empty, c.ring, keyring.ErrSealed, c.key.KID},
		{"another key inside", &mixed, c.ring, nil, "another key"},
		{"no key inside", &garbage, c.ring, nil, "not PKCS#8"},
	} {
		t.Run(in.name, func(t *testing.T) {
			key := *in.key
			key.Status = iam.Active
			_, err := NewIssuer(in.ring, 0).Issue(t.Context(), keys{&key}, "alice", now, now.Add(time.Hour))
			if err == nil || in.want != nil && !errors.Is(err, in.want) {
				t.Fatalf("Issue: %v, want %v", err, in.want)
			}
			if text := err.Error(); !strings.Contains(text, key.KID) || !strings.Contains(text, in.words) {
				t.Errorf("Issue: %v, want it to name %s and %s", err, key.KID, in.words)
			}
		})
	}
}

func TestIssueWaitsForItsTurnUntilTheContextEnds(t *testing.T) {
	c := home()
	issuer := NewIssuer(c.ring, 1)
	if !issuer.slots.TryAcquire(1) {
		t.Fatal("no slot")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := issuer.Issue(ctx, c.source(), "alice", now, now.Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Issue with all slots taken: %v, want the deadline", err)
	}
	issuer.slots.Release(1)
	issue(t, issuer, c.source())
	if !issuer.slots.TryAcquire(1) {
		t.Error("a slot was not given back")
	}
}

func TestNoPrinterShowsAPrivateKey(t *testing.T) {
	c := home()
	issuer := NewIssuer(c.ring, 0)
	issue(t, issuer, c.source())
	holder := struct{ issuer *Issuer }{issuer}
	var out bytes.Buffer
	for _, v := range []any{issuer, issuer.opened, holder, &holder, c.key, *c.key, []*iam.SigningKey{c.key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		_ = json.NewEncoder(&out).Encode(v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
	}
	d := c.private.D
	for _, leak := range []string{d.String()[:20], d.Text(16)[:20], strings.ToUpper(d.Text(16)[:20]), hex.EncodeToString(c.key.Sealed[:16]), base64.StdEncoding.EncodeToString(c.key.Sealed)[:20]} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("a printer shows %s", leak)
		}
	}
}

func BenchmarkIssue(b *testing.B) {
	c := home()
	issuer := NewIssuer(c.ring, 0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			issue(b, issuer, c.source())
		}
	})
}

// BenchmarkRSASign is the ceiling of BenchmarkIssue: Go's own RSA and nothing else.
func BenchmarkRSASign(b *testing.B) {
	private := home().private
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			signText(private, "header.claims")
		}
	})
}
