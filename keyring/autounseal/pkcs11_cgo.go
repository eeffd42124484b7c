//go:build cgo

package autounseal

import "github.com/miekg/pkcs11"

// PKCS11Supported says whether this binary can use PKCS#11 tokens.
const PKCS11Supported = true

// PKCS11 opens the token and finds its key.
func PKCS11(o Options) (Method, error) {
	_ = pkcs11.New
	return nil, ErrUnavailable
}
