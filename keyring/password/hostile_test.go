package password

import (
	"errors"
	"strings"
	"testing"
)

// TestHostile holds the login cases that are decided here, by their ids.
func TestHostile(t *testing.T) {
	t.Run("L8", testNULIsSignificant)
	t.Run("L9", testNothingIsTruncated)
	t.Run("L12", testCostIsCapped)
	t.Run("L13", testUnknownSchemesAreRefused)
}

func testNULIsSignificant(t *testing.T) {
	h := newHasher()
	hash := mustHash(t, h, "secret\x00tail")
	for password, want := range map[string]bool{"secret\x00tail": true, "secret": false, "secret\x00": false, "secret\x00tail\x00": false} {
		if ok, _ := verify(t, h, hash, password); ok != want {
			t.Errorf("%q: %v, want %v", password, ok, want)
		}
	}
	if ok, _ := verify(t, h, helloWorld, "Hello world!\x00tail"); ok {
		t.Error("sha512-crypt stops at NUL")
	}
	spaces := mustHash(t, h, "     ")
	if ok, _ := verify(t, h, spaces, "    "); ok {
		t.Error("spaces are trimmed")
	}
}

func testNothingIsTruncated(t *testing.T) {
	h := newHasher()
	for _, n := range []int{71, 72, 73, 80, 1000, 1 << 20} {
		password := strings.Repeat("x", n)
		hash := mustHash(t, h, password)
		for _, c := range []struct {
			password string
			want     bool
		}{{password, true}, {password[:n-1], false}, {password + "x", false}, {password[:n-1] + "y", false}} {
			if ok, _ := verify(t, h, hash, c.password); ok != c.want {
				t.Errorf("argon2id of %d bytes against %d: %v, want %v", n, len(c.password), ok, c.want)
			}
		}
	}
	x73 := strings.Repeat("x", 73)
	if ok, _ := verify(t, h, seventyTwo, x73); ok {
		t.Error("sha512-crypt: 73 bytes match the hash of the first 72")
	}
	if ok, _ := verify(t, h, seventyThree, x73[:72]); ok {
		t.Error("sha512-crypt: 72 bytes match the hash of 73")
	}
}

func testCostIsCapped(t *testing.T) {
	const tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	key := helloWorld[len("$6$saltstring$"):]
	h := newHasher()
	for _, hash := range []string{
		"$argon2id$v=19$m=1073741824,t=2,p=1" + tail, // 1 TiB
		"$argon2id$v=19$m=1048577,t=1,p=1" + tail,
		"$argon2id$v=19$m=1048576,t=5,p=1" + tail,
		"$argon2id$v=19$m=19456,t=65,p=1" + tail,
		"$argon2id$v=19$m=19456,t=4294967295,p=1" + tail,
		"$argon2id$v=19$m=19456,t=2,p=17" + tail,
		"$argon2id$v=19$m=99999999999999999999,t=2,p=1" + tail,
		"$argon2id$v=19$m=19456,t=0,p=1" + tail, // these two would panic
		"$argon2id$v=19$m=19456,t=2,p=0" + tail,
		"$argon2id$v=19$m=7,t=2,p=1" + tail,
		"$argon2id$v=19$m=-1,t=2,p=1" + tail,
		"$6$rounds=1000001$saltstring$" + key,
		"$6$rounds=999999999$saltstring$" + key,
		"$6$rounds=99999999999999999999$saltstring$" + key,
		"$6$rounds=999$saltstring$" + key,
		"$6$rounds=0$saltstring$" + key,
		"$6$rounds=-5000$saltstring$" + key,
	} {
		mustBeMalformed(t, h, hash)
	}
	if err := Check("$6$rounds=1000000$saltstring$" + key); err != nil {
		t.Errorf("a million rounds: %v", err)
	}
	// What a long password makes expensive is refused without the work: 1 MiB would be hashed for hours.
	if ok, _ := verify(t, h, strings.Replace(helloWorld, "$6$", "$6$rounds=1000000$", 1), strings.Repeat("x", 1<<20)); ok {
		t.Error("a password of 1 MiB matches")
	}
}

// mustBeMalformed checks that neither import nor verification takes the hash at its word.
func mustBeMalformed(t *testing.T, h *Hasher, hash string) {
	t.Helper()
	if err := Check(hash); !errors.Is(err, ErrMalformed) {
		t.Errorf("Check(%s) = %v, want ErrMalformed", hash, err)
	}
	var ok bool
	var err error
	if got := allocated(func() { ok, _, err = h.Verify(t.Context(), hash, "x") }); got > 2*memoryKiB<<10 {
		t.Errorf("Verify(%s) allocates %d bytes", hash, got)
	}
	if ok || !errors.Is(err, ErrMalformed) {
		t.Errorf("Verify(%s) = %v, %v, want ErrMalformed", hash, ok, err)
	}
}

func testUnknownSchemesAreRefused(t *testing.T) {
	h := newHasher()
	for _, hash := range []string{
		"$1$salt$abc", "$2b$31$" + strings.Repeat("a", 53), "$5$salt$abc", "$7$x", "$y$j9T$x$y", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA",
		"$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA", "$pbkdf2-sha512$1$a$b", "plain", "{SSHA}abc", "*", "!!", "$", "$$", "$$$", "\x00", strings.Repeat("$", 1<<16),
	} {
		ok, rehash, err := h.Verify(t.Context(), hash, "x")
		if ok || rehash || !errors.Is(err, ErrUnsupported) {
			t.Errorf("Verify(%.40q) = %v, %v, %v, want ErrUnsupported", hash, ok, rehash, err)
		}
	}
	key := helloWorld[len("$6$saltstring$"):]
	for _, hash := range []string{
		"$6$", "$6$salt", "$6$salt$", "$6$salt$" + key[1:], "$6$salt$" + key + "x", "$6$salt$" + key[1:] + "*", "$6$salt$" + key + "$", "$6$seventeenletters.$" + key,
		"$6$sa lt$" + key, "$6$rounds=$salt$" + key, "$6$rounds=05000$salt$" + key, "$6$rounds=5000", "$6$rounds=+5000$salt$" + key, "$6$rounds=5000,rounds=6000$salt$" + key,
		"$argon2id$", "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5Q", "$argon2id$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5Q",
		"$argon2id$v=19$t=1,m=64,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5Q", "$argon2id$v=19$m=64,t=1,p=1,x=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5Q",
		"$argon2id$v=19$m=64,t=1,p=1$c29t$CTFhFdXPJO1aFaMaO6Mm5Q", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFh", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ=$CTFhFdXPJO1aFaMaO6Mm5Q",
		"$argon2id$v=19$m=064,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5Q", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5Q$", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNh\nbHQ$CTFhFdXPJO1aFaMaO6Mm5Q",
	} {
		mustBeMalformed(t, h, hash)
	}
}
