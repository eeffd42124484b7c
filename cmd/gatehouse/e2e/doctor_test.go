//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// diagnosis is what gatehouse doctor --output json prints.
type diagnosis struct {
	Findings []struct{ Check, Status, Found, Do string }
	Problems int
}

// examine runs the doctor with the settings of a master, some of them replaced or added.
func examine(ctx context.Context, c *rig.Cluster, m *rig.Master, change ...string) (d diagnosis, err error) {
	args := append([]string{"doctor", "--output", "json"}, m.Argv[2:]...)
	for i := 0; i+1 < len(change); i += 2 {
		if at := slices.Index(args, change[i]); at >= 0 {
			args[at+1] = change[i+1]
		} else {
			args = append(args, change[i], change[i+1])
		}
	}
	out, err := c.Run(ctx, "", args...)
	if decodeErr := json.Unmarshal([]byte(out), &d); decodeErr != nil {
		return d, fmt.Errorf("%w: %s (%w)", decodeErr, out, err)
	}
	var exit *exec.ExitError
	if failed := errors.As(err, &exit) && exit.ExitCode() == 1; failed != (d.Problems > 0) {
		return d, fmt.Errorf("%d problems, and the program ends with: %v: %w", d.Problems, err, rig.ErrFinal)
	}
	if strings.Contains(out, "PRIVATE KEY") || strings.Contains(out, m.Argument("--superuser-password-hash")) {
		return d, fmt.Errorf("the doctor tells a secret: %s: %w", out, rig.ErrFinal)
	}
	return d, nil
}

// awaitFinding examines a master until the doctor finds something.
func awaitFinding(t *testing.T, c *rig.Cluster, m *rig.Master, check, status, text string, change ...string) {
	t.Helper()
	await(t, 30*time.Second, fmt.Sprintf("the doctor finds a %s of %s with %q", status, check, text), func(ctx context.Context) error {
		d, err := examine(ctx, c, m, change...)
		if err != nil {
			return err
		}
		for _, f := range d.Findings {
			if f.Check == check && f.Status == status && strings.Contains(f.Found, text) {
				return nil
			}
		}
		return fmt.Errorf("got %+v", d.Findings)
	})
}

func TestTheDoctorFindsNothingWrongWithASoundCluster(t *testing.T) {
	c := shared(t)
	for _, m := range c.Masters {
		await(t, 30*time.Second, "no problem of "+m.Name, func(ctx context.Context) error {
			d, err := examine(ctx, c, m)
			if err == nil && (d.Problems > 0 || len(d.Findings) < 20) {
				err = fmt.Errorf("got %+v", d.Findings)
			}
			return err
		})
	}
}

// A monitor sees how far the clocks of the masters are apart.
func TestClockSkewIsAMetric(t *testing.T) {
	c := shared(t)
	await(t, 30*time.Second, "the skew of both other masters", func(ctx context.Context) error {
		answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: c.Masters[0].API + "/metrics"})
		if n := strings.Count(string(answer.Body), "\ngatehouse_clock_skew_seconds{"); err == nil && n < 2 {
			err = fmt.Errorf("got %d samples", n)
		}
		return err
	})
}

func TestTheDoctorFindsPlantedFaults(t *testing.T) {
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary}))
	finish(t, c)
	keys := ownKeyFiles(t, c)
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	m, third := c.Masters[0], c.Masters[2]
	id := must[rig.MasterInfo](t)(rowOf(t, c, m, third.Name)).ID

	awaitFinding(t, c, m, "config", "problem", "--raft-multiplier", "--expect", "99", "--raft-multiplier", "99")
	awaitFinding(t, c, m, "names", "problem", "no-such-name.invalid", "--join", "no-such-name.invalid:8103")
	cert, key := expiredPair(t)
	awaitFinding(t, c, m, "certificate", "problem", "has expired", "--listen", "https://"+strings.TrimPrefix(m.API, "http://"), "--tls-cert", cert, "--tls-key", key)
	if err := os.Chmod(keys[0], 0o640); err != nil {
		t.Fatal(err)
	}
	awaitFinding(t, c, m, "key-file", "problem", "0640")
	if err := os.Chmod(keys[0], 0o600); err != nil {
		t.Fatal(err)
	}

	if err := third.Stop(); err != nil {
		t.Fatal(err)
	}
	awaitFinding(t, c, m, "masters", "problem", third.Name+", server "+id+", does not answer on "+third.Peer)
	awaitFinding(t, c, m, "quorum", "warning", "2 of 3")
	foreign := third.Copy(t.TempDir())
	foreign.Replace("--cluster-key-file", foreignKey(t, c))
	foreign.Replace("--expect", "1")
	t.Cleanup(func() { _ = foreign.Kill() })
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFinding(t, c, m, "keys", "problem", third.Peer+" (it calls itself ")

	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	awaitFinding(t, c, m, "daemon", "problem", "does not run")
	awaitFinding(t, c, m, "data-damage", "ok", "whole")
	// Less than its two first pages is left; what is cut off further back may never have been used.
	if err := os.Truncate(filepath.Join(m.DataDir, "raft.db"), 5000); err != nil {
		t.Fatal(err)
	}
	awaitFinding(t, c, m, "data-damage", "problem", "raft.db")
}

func foreignKey(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "foreign.key")
	must[string](t)(c.Run(t.Context(), "", "keygen", "--output", file))
	return file
}

// expiredPair writes a certificate that was good yesterday, and its key.
func expiredPair(t *testing.T) (cert, key string) {
	t.Helper()
	private := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, c, c, private.Public(), private))
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	keyDER := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(private))
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
