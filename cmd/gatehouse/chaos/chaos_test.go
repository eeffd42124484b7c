//go:build chaos

package chaos

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

var (
	runTime = flag.Duration("time", 20*time.Second, "how long clients work while the cluster is tormented")
	seed    = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the random choices")
)

// TestChaos is the run itself: no fault may cost an acknowledged write, show an old value or leave masters apart.
func TestChaos(t *testing.T) {
	binary, err := rig.Binary(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v, err := Run(t.Context(), Config{Binary: binary, Dir: t.TempDir(), Time: *runTime, Seed: *seed, Log: t.Logf})
	t.Logf("seed %d: %d operations (%.0f/s before the first fault), %d writes acknowledged, %d of unknown outcome, %d faults; digest %s at index %d",
		*seed, v.Operations, v.Rate, v.Acknowledged, v.Unknown, v.Faults, v.Digest.Digest, v.Digest.Index)
	if err != nil {
		t.Fatal(err)
	}
	if v.Faults == 0 {
		t.Error("no fault was inflicted")
	}
	if len(v.Violations) > 0 {
		t.Errorf("%s\nhistory: %s", strings.Join(v.Violations, "\n"), keep(t, v))
	}
}

// keep writes the history to a place that outlives the test.
func keep(t *testing.T, v Verdict) string {
	t.Helper()
	file, err := os.Create(filepath.Join(os.TempDir(), fmt.Sprintf("gatehouse-chaos-%d.jsonl", *seed)))
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if err := v.WriteHistory(file); err != nil {
		return err.Error()
	}
	return file.Name()
}

// Binaries with a planted error must be caught, or the verdicts on the real one mean nothing.
func TestPlantedErrorsAreCaught(t *testing.T) {
	for _, tag := range []string{"plant_stale_read", "plant_lost_write"} {
		t.Run(tag, func(t *testing.T) {
			binary, err := rig.Build(t.Context(), t.TempDir(), tag)
			if err != nil {
				t.Fatal(err)
			}
			v, err := Run(t.Context(), Config{Binary: binary, Dir: t.TempDir(), Time: 6 * time.Second, Seed: *seed, Calm: true, Log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			if bad, _ := check(v.history.operations()); len(bad) == 0 {
				t.Errorf("seed %d: the checker found nothing wrong with any of %d operations (other violations: %q)", *seed, v.Operations, v.Violations)
			}
		})
	}
}
