package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestThePageHasEveryStatusAndVariable(t *testing.T) {
	page, err := os.ReadFile("../../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{StatusOK, StatusFailed, StatusUsage, StatusLogin, StatusUnavailable, StatusUnknown, StatusDiffers, StatusSealed, StatusInterrupted} {
		if !strings.Contains(string(page), fmt.Sprintf("\n| %d | ", status)) {
			t.Errorf("docs/cli.md has no row for status %d", status)
		}
	}
	for _, name := range Variables {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/cli.md does not tell about %s", name)
		}
	}
}
