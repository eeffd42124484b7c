//go:build !cgo

package autounseal

import "errors"

// PKCS11Supported says whether this binary can use PKCS#11 tokens.
const PKCS11Supported = false

// PKCS11 refuses: modules are shared libraries, which only a binary built with cgo can load.
func PKCS11(Options) (Method, error) {
	return nil, errors.New("this binary was built without a C compiler and cannot load PKCS#11 libraries: build it where there is one, or start with --auto-unseal key-file or off")
}
