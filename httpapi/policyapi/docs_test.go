package policyapi_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"gatehouse/httpapi/policyapi"
)

// The page has rules that are rules, and configurations that are at least YAML.
func TestTheExamplesOfThePageAreWellFormed(t *testing.T) {
	page, err := os.ReadFile("../../docs/authorize.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of YAML, want rules, Traefik and Envoy", len(blocks))
	}
	for i, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		if err := yaml.Unmarshal([]byte(text), new(map[string]any)); err != nil {
			t.Errorf("block %d: %v", i+1, err)
		}
		if _, err := policyapi.ParseRules([]byte(text)); i == 0 && err != nil {
			t.Errorf("the rules: %v", err)
		}
	}
}
