package password

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
)

// Hashes made by others: glibc's crypt(3), OpenSSL's passwd -6 and the reference implementation of argon2.
const (
	helloWorld   = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
	passlibStyle = "$6$rounds=656000$oaTs5Tv3GL8ZrKjQ$UWJDYV.rcGtcuX2h.Bn0frNpMALeuor1SHUmvm/v3m2.QDWJct9Sfb7HnUiUpzq7R3AXqkDtLnpu17oUQS3OO0"
	seventyTwo   = "$6$aaaaaaaa$OW7Bp3Hdrv.cS8wuuTikdP19bzV4VT/oFavQzmVPQUx9A6/2C60w87pSx.fx14HsLK6SR2M7uaIeXZwuj1MRY0"
	seventyThree = "$6$aaaaaaaa$U./tZeSHo.CrmT709.Uffkfzkq10xVJ8UUmrx6EqHGQs/3E/./rXUxIPUuLrcFOSLTihR1gzg5M30N.GdW8ub."
	argon2Ref    = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
)

func newHasher() *Hasher { return New(Options{Concurrency: 2}) }

func mustHash(t testing.TB, h *Hasher, password string) string {
	t.Helper()
	hash, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatalf("Hash: %v", err)
	}
	return hash
}

// verify fails the test on an error.
func verify(t testing.TB, h *Hasher, hash, password string) (ok, needsRehash bool) {
	t.Helper()
	ok, needsRehash, err := h.Verify(t.Context(), hash, password)
	if err != nil {
		t.Fatalf("Verify(%s): %v", hash, err)
	}
	return ok, needsRehash
}

func TestANewHashIsArgon2idAndVerifies(t *testing.T) {
	h := newHasher()
	hash := mustHash(t, h, "deleteme")
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || len(hash) != 97 {
		t.Errorf("hash = %s", hash)
	}
	if err := Check(hash); err != nil {
		t.Errorf("Check of our own hash: %v", err)
	}
	if again := mustHash(t, h, "deleteme"); again == hash {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
	if ok, rehash := verify(t, h, hash, "deleteme"); !ok || rehash {
		t.Errorf("right password: ok %v, needs rehash %v", ok, rehash)
	}
	for _, wrong := range []string{"", "deletem", "deleteme ", "Deleteme", "deleteme\x00"} {
		if ok, rehash := verify(t, h, hash, wrong); ok || rehash {
			t.Errorf("%q: ok %v, needs rehash %v", wrong, ok, rehash)
		}
	}
}

func TestForeignHashesVerifyAndAskToBeReplaced(t *testing.T) {
	h := newHasher()
	for _, c := range []struct{ hash, password string }{
		{helloWorld, "Hello world!"},
		{"$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.", "Hello world!"},
		{"$6$rounds=1000$roundstoolow$p0QXZcxveYsQa.2B25KCJS4FS.AduSeTvzacwAre/390sZzW4t6YB3IQ9MuUHRy2Ay665mftgtdsnKf4ghjRI0", "a short string"},
		{"$6$rounds=5000$cccccccc$Y3X7.Yh5EjF8bm9/83s26u0oCHFHbMiFPxPaNVSsyHw40nE3S8QvnB85XP5qUvfxGro.egqO0Gb/pmpbT5tlP1", "пароль€"},
		{"$6$abc$wXvLgMChht3U87i888StiQy1W/EK2Ge3H6rxIRM8l0prwhG1icmLmgEOcYMiXbSth/t5JyRjjVGbqvVEQ7j9n/", "pässwörd"},
		{"$6$bbbbbbbb$ORxVG8RhVyQ3QcvOfikcdXav.6885rOSZ4o11P0q0mjYwMJ3KhtfQYJBcgdb4R.pz2bkb18Q.SQ09ShYPgOy9/", strings.Repeat("y", 400)},
		{"$6$dddddddd$2/l5Qnqg/tVFCTVO5Wy8B/q9h9Yi18PsiSkD6Rkl3H7QqPWoL2iq72CxtGyzHSNNDxekqsXSEjlHEXyBzYaHR0", ""},
		{"$6$$oo4iDEH9DD6b5FV9A9eUaqhgctskrSVY26XQs55Og1pOrcTFWBddR/Sj5PlebL1BrwxW/Ue9D6ruWyHXRZBXA1", "emptysalt"},
		{passlibStyle, "deleteme"},
		{seventyTwo, strings.Repeat("x", 72)},
		{seventyThree, strings.Repeat("x", 73)},
	} {
		if ok, rehash := verify(t, h, c.hash, c.password); !ok || !rehash {
			t.Errorf("%s: ok %v, needs rehash %v, want both", c.hash, ok, rehash)
		}
		if c.hash == passlibStyle {
			continue // slow
		}
		if ok, rehash := verify(t, h, c.hash, c.password+"x"); ok || rehash {
			t.Errorf("%s, wrong password: ok %v, needs rehash %v", c.hash, ok, rehash)
		}
	}
}

func TestOnlyAWeakerArgon2idHashAsksToBeReplaced(t *testing.T) {
	h := newHasher()
	if ok, rehash := verify(t, h, argon2Ref, "password"); !ok || !rehash {
		t.Errorf("8 bytes of salt: ok %v, needs rehash %v, want both", ok, rehash)
	}
	for _, c := range []struct {
		change func(*argon2id)
		want   bool
	}{
		{func(*argon2id) {}, false},
		{func(a *argon2id) { a.memory *= 2 }, false},
		{func(a *argon2id) { a.threads = 2 }, false},
		{func(a *argon2id) { a.memory-- }, true},
		{func(a *argon2id) { a.time-- }, true},
		{func(a *argon2id) { a.key = a.key[:16] }, true},
	} {
		a := randomArgon2id()
		c.change(&a)
		a.key = a.hash("password")
		if ok, rehash := verify(t, h, a.encode(), "password"); !ok || rehash != c.want {
			t.Errorf("%s: ok %v, needs rehash %v, want %v", a.params(), ok, rehash, c.want)
		}
	}
}

// allocated is how many bytes f allocates: argon2id cannot run without its memory.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestEveryRefusalCostsOneArgon2id(t *testing.T) {
	h := newHasher()
	if diff := cmp.Diff(randomArgon2id().params(), h.dummy.params()); diff != "" || len(h.dummy.key) != keySize {
		t.Errorf("the dummy costs something else than a new hash:\n%s", diff)
	}
	const least, most = memoryKiB << 10, memoryKiB << 10 * 3 / 2
	for name, f := range map[string]func() error{
		"wrong password": func() error { _, _, err := h.Verify(t.Context(), h.dummy.encode(), "x"); return err },
		"unknown user":   func() error { return h.Dummy(t.Context(), "x") },
		"no password":    func() error { _, _, err := h.Verify(t.Context(), "", "x"); return err },
		"locked":         func() error { _, _, err := h.Verify(t.Context(), iam.LockedPassword, "x"); return err },
		"unknown scheme": func() error { _, _, err := h.Verify(t.Context(), "$2b$12$abc", "x"); return err },
		"malformed":      func() error { _, _, err := h.Verify(t.Context(), "$6$", "x"); return err },
		"unaffordable":   func() error { _, _, err := h.Verify(t.Context(), helloWorld, strings.Repeat("x", 1<<20)); return err },
	} {
		var err error
		if got := allocated(func() { err = f() }); got < least || got > most {
			t.Errorf("%s allocates %d bytes, want %d to %d: not one argon2id", name, got, least, most)
		}
		if errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoPasswordVerifiesWhileTheAccountIsLocked(t *testing.T) {
	for _, password := range []string{"", iam.LockedPassword, "deleteme"} {
		if ok, rehash, err := newHasher().Verify(t.Context(), iam.LockedPassword, password); ok || rehash || err != nil {
			t.Errorf("Verify of %q = %v, %v, %v; want false, false and no error", password, ok, rehash, err)
		}
	}
}

func TestErrorsDoNotQuoteTheHash(t *testing.T) {
	for _, hash := range []string{"hunter22", "$6$hunter22", "$6$rounds=9999999$hunter22$x", "$argon2id$hunter22", "$hunter22!$x", "$argon2id$v=19$m=19456,t=2,p=1$hunter22!$hunter22"} {
		err := Check(hash)
		if err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("Check(%s) = %v", hash, err)
		}
	}
	if err := Check("$2b$12$abcdefghijklmnopqrstuv"); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), `"2b"`) {
		t.Errorf("Check of bcrypt = %v, want ErrUnsupported naming the scheme", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{helloWorld, passlibStyle, argon2Ref, "", "$6$", "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$6$rounds=1000$$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		stored, err := parse(hash)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("parse(%q) = %v, neither malformed nor unsupported", hash, err)
			}
			return
		}
		switch s := stored.(type) {
		case argon2id:
			if s.encode() != hash || uint64(s.memory)*uint64(s.time) > maxWorkKiB {
				t.Errorf("parse(%q) is written as %s", hash, s.encode())
			}
			if s.memory < 1<<10 && s.time < 4 {
				s.match("x")
			}
		case sha512crypt:
			if s.rounds > maxRounds {
				t.Errorf("parse(%q) has %d rounds", hash, s.rounds)
			}
			if s.rounds <= defaultRounds {
				s.match("x")
			}
		}
	})
}

func BenchmarkArgon2idVerify(b *testing.B) {
	h := New(Options{Concurrency: runtime.GOMAXPROCS(0), Queue: 1000})
	hash := mustHash(b, h, "deleteme")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, _ := verify(b, h, hash, "deleteme"); !ok {
				b.Error("not verified")
			}
		}
	})
}

func BenchmarkSHA512CryptVerify(b *testing.B) {
	h := newHasher()
	for name, c := range map[string][2]string{"5000": {helloWorld, "Hello world!"}, "656000": {passlibStyle, "deleteme"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				verify(b, h, c[0], c[1])
			}
		})
	}
}
