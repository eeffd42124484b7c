package autounseal

import "time"

// Options say where a PKCS#11 token and its key are.
type Options struct {
	Library string        // path of the module, a shared library such as /usr/lib/softhsm/libsofthsm2.so
	Token   string        // label of the token
	Key     string        // label of the AES secret key in it
	PINFile string        // file with the user PIN, mode 0600 or 0400
	Timeout time.Duration // of one operation; 0 is 5 s
}
