// Package shamir splits a secret into shares, of which a threshold rebuilds it and fewer tell nothing but its length (Adi
// Shamir, "How to share a secret", 1979).
//
// Every byte of the secret is the value at 0 of its own random polynomial over GF(2^8) with the polynomial of AES
// (FIPS 197, section 4.2); a share is the values of all these polynomials at one x, followed by that x. The x of shares are
// distinct, random and never 0. This is the format of Vault and OpenBao, so that shares of either are understood, and it is
// proven by shares that they made.
//
// Arithmetic takes the same time whatever the bytes are: no table is indexed by a secret and nothing branches on one. What
// is returned lies on the heap; whoever calls wipes it.
package shamir
