package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BinaryEnv names the binary under test; without it the checkout is built.
const BinaryEnv = "GATEHOUSE_BIN"

// Binary answers the path of the gatehouse binary: the one that BinaryEnv names, or a build of the checkout in dir.
func Binary(ctx context.Context, dir string) (string, error) {
	if path := os.Getenv(BinaryEnv); path != "" {
		return filepath.Abs(path)
	}
	return Build(ctx, dir)
}

// Build builds the checkout's gatehouse with the given build tags into dir. Planted faults are such tags.
func Build(ctx context.Context, dir string, tags ...string) (string, error) {
	root, err := Checkout(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, strings.Join(append([]string{"gatehouse"}, tags...), "-"))
	all := strings.Join(append([]string{"netgo", "osusergo"}, tags...), ",") // as the Makefile builds it
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", all, "-o", path, "./cmd/gatehouse")
	build.Dir = root
	build.Env = append(os.Environ(), "GOEXPERIMENT=runtimesecret")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gatehouse with tags %q: %w\n%s", tags, err, out)
	}
	return path, nil
}

// Checkout answers the directory of the module that the working directory is in.
func Checkout(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("find the checkout: not inside a module")
	}
	return filepath.Dir(mod), nil
}
