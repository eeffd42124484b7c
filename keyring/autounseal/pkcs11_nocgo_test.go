//go:build !cgo

package autounseal

import "testing"

func TestABinaryWithoutCgoSaysThatItCannotLoadModules(t *testing.T) {
	mustRefuse(t, Options{}, "built without a C compiler")
}
