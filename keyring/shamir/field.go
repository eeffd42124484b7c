package shamir

// add is addition, and subtraction, in GF(2^8).
func add(a, b byte) byte { return a ^ b }

// reduction is what x^8 is in the field: the polynomial x^8 + x^4 + x^3 + x + 1 without its highest term.
const reduction = 0x1b

// multiply is multiplication in GF(2^8): one step for every bit of b, with masks in place of branches.
func multiply(a, b byte) (product byte) {
	for range 8 {
		product ^= a & -(b & 1)
		a = a<<1 ^ reduction&-(a>>7)
		b >>= 1
	}
	return product
}

// invert is the inverse in GF(2^8): a^254, because a^255 is 1. The inverse of 0 is 0.
func invert(a byte) byte {
	power, inverse := a, byte(1)
	for range 7 { // 254 is the sum of 2^1 … 2^7
		power = multiply(power, power)
		inverse = multiply(inverse, power)
	}
	return inverse
}
