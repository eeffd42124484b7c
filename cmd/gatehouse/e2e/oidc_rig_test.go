//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// startOIDC starts an OpenID provider for the test.
func startOIDC(t *testing.T, o rig.OIDCOptions) *rig.OIDCProvider {
	t.Helper()
	p, err := rig.StartOIDCProvider(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if t.Failed() {
			t.Logf("the OpenID provider's log:\n%s", p.Log())
		}
	})
	return p
}

func TestTheOpenIDProviderOfTheTestsLogsPeopleIn(t *testing.T) {
	p := startOIDC(t, rig.OIDCOptions{})
	token, err := p.IDToken(t.Context(), "somebody")
	if err != nil || strings.Count(token, ".") != 2 {
		t.Errorf("ID token %q, %v", token, err)
	}
}
