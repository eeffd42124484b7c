package rig

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// GPG is a key ring of the real gpg: what somebody who holds a share of a store works with.
type GPG struct{ home string }

// NewGPG makes an empty ring. It is not below a test's directory: the agent's socket has a path of 107 bytes at most.
func NewGPG() (*GPG, error) {
	home, err := os.MkdirTemp("", "gh-gpg-")
	if err != nil {
		return nil, err
	}
	return &GPG{home}, nil
}

// Close ends the agent of the ring and removes it.
func (g *GPG) Close() {
	_ = exec.Command("gpgconf", "--homedir", g.home, "--kill", "all").Run()
	_ = os.RemoveAll(g.home)
}

// Run runs gpg on the ring and answers what it prints.
func (g *GPG) Run(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	path, err := installed("gpg")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"--homedir", g.home, "--batch", "--quiet", "--no-auto-check-trustdb", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("gpg %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes(), nil
}

// Signer makes a key that signs and cannot be encrypted to, and answers its fingerprint. The algorithm is gpg's name of
// it (rsa2048, ed25519), until is when it expires (never, 2030-01-01, seconds=1).
func (g *GPG) Signer(ctx context.Context, user, algorithm, until string) (string, error) {
	if _, err := g.Run(ctx, nil, "--quick-generate-key", user, algorithm, "sign", until); err != nil {
		return "", err
	}
	return g.Fingerprint(ctx, user)
}

// Key makes a key to encrypt to (rsa2048, or cv25519 below an ed25519 key) and answers its fingerprint.
func (g *GPG) Key(ctx context.Context, user, algorithm string) (string, error) {
	signs := algorithm
	if algorithm == "cv25519" {
		signs = "ed25519"
	}
	fingerprint, err := g.Signer(ctx, user, signs, "never")
	if err != nil {
		return "", err
	}
	_, err = g.Run(ctx, nil, "--quick-add-key", fingerprint, algorithm, "encr", "never")
	return fingerprint, err
}

// Fingerprint is that of a user's key, in lower-case hex.
func (g *GPG) Fingerprint(ctx context.Context, user string) (string, error) {
	list, err := g.Run(ctx, nil, "--with-colons", "--list-keys", user)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(list)) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" && len(fields) > 9 {
			return strings.ToLower(fields[9]), nil
		}
	}
	return "", errors.New("gpg lists no fingerprint: " + string(list))
}

// Export is the public key as the documentation has it: base64 of the binary export.
func (g *GPG) Export(ctx context.Context, user string) (string, error) {
	key, err := g.Run(ctx, nil, "--export", user)
	if err == nil && len(key) == 0 {
		err = fmt.Errorf("gpg exports no key of %s", user)
	}
	return base64.StdEncoding.EncodeToString(key), err
}

// Decrypt opens a message to any key of the ring.
func (g *GPG) Decrypt(ctx context.Context, message []byte) (string, error) {
	text, err := g.Run(ctx, message, "--decrypt")
	return string(text), err
}

// Home is where the ring is.
func (g *GPG) Home() string { return g.home }
