package shamir

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
)

const shareSize = 33

func TestHostile(t *testing.T) {
	t.Run("S1", testOneShareInEverySpelling)
	t.Run("S4", testWhatIsNoShare)
	t.Run("S5", testImpossibleParameters)
}

func testOneShareInEverySpelling(t *testing.T) {
	shares := mustSplit(t, randomBytes(32), 3, 2)
	share := shares[0]
	text := hex.EncodeToString(share)
	for _, spelling := range []string{
		text, strings.ToUpper(text), " " + text + "\n", "\t" + text, text[:10] + strings.ToUpper(text[10:]),
		base64.StdEncoding.EncodeToString(share), "  " + base64.StdEncoding.EncodeToString(share) + " ",
	} {
		got, err := ParseShare([]byte(spelling), shareSize)
		if err != nil || !bytes.Equal(got, share) {
			t.Errorf("a share spelled with %d characters: %v, and not the same bytes", len(spelling), err)
		}
	}
	if _, err := Combine([][]byte{share, share}); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same share twice: %v, want ErrDuplicate", err)
	}
	forged := append(bytes.Clone(shares[1][:32]), xOf(share))
	if _, err := Combine([][]byte{share, forged}); !errors.Is(err, ErrDuplicate) {
		t.Errorf("two shares with one x: %v, want ErrDuplicate", err)
	}
}

func testWhatIsNoShare(t *testing.T) {
	good := mustSplit(t, randomBytes(32), 3, 2)
	zeroX := bytes.Clone(good[0])
	zeroX[32] = 0
	for name, raw := range map[string][]byte{
		"nothing": {}, "one byte": {7}, "32 bytes": good[0][:32], "34 bytes": append(bytes.Clone(good[0]), 1),
		"x of 0": zeroX, "all zero": make([]byte, shareSize), "y of 0": append(make([]byte, 32), 5),
	} {
		for _, text := range []string{hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)} {
			if _, err := ParseShare([]byte(text), shareSize); !errors.Is(err, ErrShare) {
				t.Errorf("%s: %v, want ErrShare", name, err)
			}
		}
	}
	text := hex.EncodeToString(good[0])
	for _, text := range []string{
		"", " ", text[:65], text + "0", "g" + text[1:], text[:33] + " " + text[33:], "0x" + text[2:], strings.Repeat("=", 44), strings.Repeat("é", 33),
		base64.StdEncoding.EncodeToString(good[0])[:43], "\x00" + text[1:], strings.Repeat("A", 1<<20),
	} {
		if _, err := ParseShare([]byte(text), shareSize); !errors.Is(err, ErrShare) {
			t.Errorf("%.70q: %v, want ErrShare", text, err)
		}
	}
	for name, shares := range map[string][][]byte{
		"none": nil, "empty": {{}, {}}, "only an x": {{1}, {2}}, "x of 0": {good[0], zeroX},
		"another length": {good[0], good[1][1:]}, "nil": {nil, good[0]},
	} {
		if _, err := Combine(shares); !errors.Is(err, ErrShare) {
			t.Errorf("combine %s: %v, want ErrShare", name, err)
		}
	}
}

func testImpossibleParameters(t *testing.T) {
	for _, c := range []struct{ shares, threshold int }{
		{0, 0}, {1, 0}, {5, 0}, {0, 1}, {2, 1}, {5, 1}, {3, 4}, {1, 2}, {256, 3}, {256, 256}, {-1, -1}, {5, -3}, {-5, 3},
		{math.MaxInt, 2}, {math.MaxInt, math.MaxInt}, {math.MinInt, math.MinInt},
	} {
		if _, err := Split(randomBytes(32), c.shares, c.threshold, rand.Reader); !errors.Is(err, ErrParameters) {
			t.Errorf("%d shares, threshold %d: %v, want ErrParameters", c.shares, c.threshold, err)
		}
		if err := CheckParameters(c.shares, c.threshold); !errors.Is(err, ErrParameters) {
			t.Errorf("check %d shares, threshold %d: %v, want ErrParameters", c.shares, c.threshold, err)
		}
	}
	if _, err := Split(nil, 3, 2, rand.Reader); !errors.Is(err, ErrParameters) {
		t.Errorf("an empty secret: %v, want ErrParameters", err)
	}
	if shares := mustSplit(t, randomBytes(32), 1, 1); len(shares[0]) != shareSize {
		t.Errorf("one share of one has %d bytes, want %d", len(shares[0]), shareSize)
	}
}

// An error is shown to whoever asked and written to logs; a share must not be in it.
func TestErrorsDoNotRepeatShares(t *testing.T) {
	text := hex.EncodeToString(mustSplit(t, randomBytes(32), 3, 2)[0])
	_, err := ParseShare([]byte(text[:64]), shareSize)
	if err == nil || strings.Contains(err.Error(), text[:8]) {
		t.Errorf("a share that was cut: %v, want an error without it", err)
	}
}
