package rig

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// Run runs the binary with args, input as its standard input, and answers its standard output. A status other than 0 is
// an error that holds what it printed.
func (c *Cluster) Run(ctx context.Context, input string, args ...string) (string, error) {
	return Run(ctx, c.Binary, input, args...)
}

// Run is Cluster.Run for any command.
func Run(ctx context.Context, binary, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s%s", binary, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// Digest is what one master's state amounts to: equal indexes must have equal digests.
type Digest struct {
	Index  uint64
	Digest string
}

// Digest asks the master for it on its admin socket.
func (m *Master) Digest(ctx context.Context) (Digest, error) {
	socket := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", m.AdminSocket)
		},
	}}
	answer, err := (&Client{http: socket}).Expect(ctx, http.StatusOK, Request{Method: http.MethodGet, URL: "http://admin/gatehouse/v1/digest"})
	if err != nil {
		return Digest{}, fmt.Errorf("digest of %s: %w", m.Name, err)
	}
	var d Digest
	if err := json.Unmarshal(answer.Body, &d); err != nil {
		return Digest{}, fmt.Errorf("digest of %s: %w", m.Name, err)
	}
	if sum, err := hex.DecodeString(d.Digest); err != nil || len(sum) != 32 {
		return Digest{}, fmt.Errorf("digest of %s: %q is no SHA-256", m.Name, d.Digest)
	}
	return d, nil
}

// AwaitEqualDigests waits until every running master has applied the same index, and fails when their digests differ.
func (c *Cluster) AwaitEqualDigests(ctx context.Context, limit time.Duration) (digest Digest, err error) {
	err = Await(ctx, limit, "equal digests", func(ctx context.Context) (err error) {
		digest, err = c.equalDigests(ctx)
		return err
	})
	return digest, err
}

func (c *Cluster) equalDigests(ctx context.Context) (first Digest, err error) {
	for i, m := range c.Running() {
		d, err := m.Digest(ctx)
		switch {
		case err != nil:
			return d, err
		case i == 0:
			first = d
		case d.Index != first.Index:
			return d, fmt.Errorf("%s is at index %d, the first at %d", m.Name, d.Index, first.Index)
		case d.Digest != first.Digest:
			return d, fmt.Errorf("%s has digest %s at index %d, the first %s: %w", m.Name, d.Digest, d.Index, first.Digest, ErrFinal)
		}
	}
	return first, nil
}
