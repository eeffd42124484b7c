package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	oneRule  = "version: 1\nrules:\n  - {path: /a, allow: users}\n"
	twoRules = oneRule + "  - {path: /b, allow: users}\n"
)

// Rules that change count without a restart; a file that is wrong is reported once, and the old rules go on counting.
func TestChangedRulesCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.yaml")
	write := func(text string) {
		t.Helper()
		next := path + ".next" // moved into place, so that nobody sees half of it
		if err := errors.Join(os.WriteFile(next, []byte(text), 0o600), os.Rename(next, path)); err != nil {
			t.Fatal(err)
		}
	}
	write(oneRule)
	f, err := openRules(path)
	if err != nil {
		t.Fatal(err)
	}
	f.every = time.Millisecond
	var log lockedBuffer
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = f.keepFresh(ctx, slog.New(slog.NewTextHandler(&log, nil))) })
	defer watching.Wait()
	defer stop()
	waitUntil := func(what string, ok func() bool) {
		t.Helper()
		for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%s: not so in time; the log:\n%s", what, log.String())
			}
		}
	}
	if n := f.rules.Load().Len(); n != 1 {
		t.Fatalf("%d rules at first, want 1", n)
	}
	write(twoRules)
	waitUntil("two rules", func() bool { return f.rules.Load().Len() == 2 })
	write("version: 1\nrules: [{path: /a}]\n")
	waitUntil("a failure", func() bool { return metric(t, f.failures) == 1 })
	if n := f.rules.Load().Len(); n != 2 {
		t.Errorf("%d rules after a broken file, want the old 2", n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	waitUntil("another failure", func() bool { return metric(t, f.failures) == 2 })
	write(oneRule)
	waitUntil("one rule", func() bool { return f.rules.Load().Len() == 1 })
	waitUntil("it is logged", func() bool {
		return strings.Contains(log.String(), "authorization rules reloaded") && strings.Contains(log.String(), "rule 1 (/a)")
	})
}

func TestBadRulesKeepAMasterFromStarting(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("version: 1\nrules: [{path: a, allow: users}, {path: /b, rid: x, action: do}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, wants := range map[string][]string{
		bad:                          {"--authorize-rules", bad, "rule 1 (a)", "rule 2 (/b)"},
		filepath.Join(dir, "absent"): {"--authorize-rules", "no such file"},
		dir:                          {"--authorize-rules", dir},
	} {
		cfg := &config{AuthorizeRules: path}
		var wrong problems
		cfg.checkRules(&wrong)
		text := strings.Join(wrong, "\n")
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %q", path, text, want)
			}
		}
	}
}
