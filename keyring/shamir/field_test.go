package shamir

import "testing"

func TestMultiplicationIsThatOfAES(t *testing.T) {
	for _, c := range []struct{ a, b, product byte }{ // FIPS 197, section 4.2
		{0x57, 0x83, 0xc1}, {0x57, 0x13, 0xfe}, {0x57, 0x02, 0xae}, {0x57, 0x04, 0x47}, {0x57, 0x08, 0x8e}, {0x57, 0x10, 0x07},
	} {
		if got := multiply(c.a, c.b); got != c.product {
			t.Errorf("%#x times %#x is %#x, want %#x", c.a, c.b, got, c.product)
		}
	}
}

// logarithms is the field built another way: as the powers of 3, which generates it.
func logarithms() (log, exp [256]int) {
	for i, power := 0, 1; i < 255; i++ {
		exp[i], log[power] = power, i
		if power ^= power << 1; power > 255 {
			power ^= 0x11b
		}
	}
	return log, exp
}

func TestMultiplicationAgreesWithLogarithmsForAllPairs(t *testing.T) {
	log, exp := logarithms()
	for a := range 256 {
		for b := range 256 {
			want := 0
			if a != 0 && b != 0 {
				want = exp[(log[a]+log[b])%255]
			}
			if got := multiply(byte(a), byte(b)); int(got) != want {
				t.Fatalf("%#x times %#x is %#x, want %#x", a, b, got, want)
			}
		}
	}
}

func TestEveryByteButZeroHasAnInverse(t *testing.T) {
	for a := 1; a < 256; a++ {
		if product := multiply(byte(a), invert(byte(a))); product != 1 {
			t.Errorf("%#x times its inverse is %#x", a, product)
		}
	}
	if got := invert(0); got != 0 {
		t.Errorf("the inverse of 0 is %#x, want 0", got)
	}
}
