package shamir

import (
	"errors"
	"fmt"
	"io"
)

// MaxShares is how many shares there can be: one for every x but 0, where the secret is.
const MaxShares = 255

var (
	// ErrParameters is a number of shares or a threshold that cannot be.
	ErrParameters = errors.New("shamir: 1 ≤ threshold ≤ shares ≤ 255, and a threshold of 1 only with one share")
	// ErrShare is a share that cannot be one: its length, an x of 0, or nothing but zeros.
	ErrShare = errors.New("shamir: not a share")
	// ErrDuplicate is that two shares have the same x.
	ErrDuplicate = errors.New("shamir: the same share twice")
)

// CheckParameters says whether a secret can be split so. It fails with ErrParameters.
func CheckParameters(shares, threshold int) error {
	if threshold < 1 || threshold > shares || shares > MaxShares || threshold == 1 && shares > 1 {
		return fmt.Errorf("%w (not %d of %d)", ErrParameters, threshold, shares)
	}
	return nil
}

// Split makes shares of a secret, any threshold of which rebuild it. Each is one byte longer than the secret. It fails with
// ErrParameters, or with the error of random, which must be crypto/rand.Reader outside tests.
func Split(secret []byte, shares, threshold int, random io.Reader) ([][]byte, error) {
	if err := CheckParameters(shares, threshold); err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		return nil, fmt.Errorf("%w: the secret is empty", ErrParameters)
	}
	xs, err := distinct(shares, random)
	if err != nil {
		return nil, fmt.Errorf("shamir: choose x: %w", err)
	}
	made := make([][]byte, shares)
	for i, x := range xs {
		made[i] = make([]byte, len(secret)+1)
		made[i][len(secret)] = x
	}
	polynomial := make([]byte, threshold) // coefficients, that of x^0 first
	defer clear(polynomial)
	for at, b := range secret {
		polynomial[0] = b
		if _, err := io.ReadFull(random, polynomial[1:]); err != nil {
			return nil, fmt.Errorf("shamir: choose coefficients: %w", err)
		}
		for i, x := range xs {
			made[i][at] = evaluate(polynomial, x)
		}
	}
	return made, nil
}

// evaluate is the value of a polynomial at x, by Horner's rule.
func evaluate(polynomial []byte, x byte) (value byte) {
	for i := len(polynomial) - 1; i >= 0; i-- {
		value = add(multiply(value, x), polynomial[i])
	}
	return value
}

// distinct chooses n different x from 1 to 255: the beginning of a random permutation.
func distinct(n int, random io.Reader) ([]byte, error) {
	all := make([]byte, MaxShares)
	for i := range all {
		all[i] = byte(i + 1)
	}
	for i := range n {
		j, err := below(len(all)-i, random)
		if err != nil {
			return nil, err
		}
		all[i], all[i+j] = all[i+j], all[i]
	}
	return all[:n], nil
}

// below is a random number below n ≤ 256, all equally likely.
func below(n int, random io.Reader) (int, error) {
	var b [1]byte
	for limit := 256 - 256%n; ; {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, err
		}
		if int(b[0]) < limit {
			return int(b[0]) % n, nil
		}
	}
}

// Combine rebuilds what the shares were split from. It cannot know whether they are as many as the threshold, or belong
// together: then the result is another secret, which the caller must be able to tell. It fails with ErrShare or ErrDuplicate.
func Combine(shares [][]byte) ([]byte, error) {
	if err := checkTogether(shares); err != nil {
		return nil, err
	}
	size := len(shares[0]) - 1
	secret := make([]byte, size)
	for i, share := range shares {
		weight := lagrange(shares, i)
		for at := range secret {
			secret[at] = add(secret[at], multiply(weight, share[at]))
		}
	}
	return secret, nil
}

// lagrange is the value at 0 of the polynomial that is 1 at the x of share i and 0 at those of the others.
func lagrange(shares [][]byte, i int) byte {
	weight, x := byte(1), xOf(shares[i])
	for j, other := range shares {
		if j != i {
			weight = multiply(weight, multiply(xOf(other), invert(add(x, xOf(other)))))
		}
	}
	return weight
}

func xOf(share []byte) byte { return share[len(share)-1] }

// checkTogether finds shares that cannot be combined.
func checkTogether(shares [][]byte) error {
	if len(shares) == 0 {
		return fmt.Errorf("%w: there is none", ErrShare)
	}
	var seen [256]bool // by x, which is no secret
	for _, share := range shares {
		if err := check(share, len(shares[0])); err != nil {
			return err
		}
		if seen[xOf(share)] {
			return ErrDuplicate
		}
		seen[xOf(share)] = true
	}
	return nil
}

// check says whether these bytes can be a share of so many bytes, x included.
func check(share []byte, size int) error {
	switch {
	case size < 2 || len(share) != size:
		return fmt.Errorf("%w: it has %d bytes, not %d", ErrShare, len(share), size)
	case xOf(share) == 0:
		return fmt.Errorf("%w: its x is 0", ErrShare)
	}
	return nil
}
