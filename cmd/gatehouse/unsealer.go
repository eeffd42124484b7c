package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/keyring/autounseal"
)

// autoUnsealOff keeps stores from opening without people.
const autoUnsealOff = "off"

const (
	leastSecret, mostSecret   = 1 << 10, 1 << 20 // bytes; of a larger one the log entry would hold up heartbeats
	leastSecrets, mostSecrets = 1 << 20, 4 << 30 // bytes; in base64 and with all else they fit fsm.Options.MaxSnapshotBytes
)

func (c *config) checkSecrets(wrong *problems) {
	choice("auto-unseal", c.AutoUnseal, wrong, autounseal.NameKeyFile, autounseal.NamePKCS11, autoUnsealOff)
	if c.SecretsMaxSize < leastSecret || c.SecretsMaxSize > mostSecret {
		wrong.add(fmt.Sprintf("--secrets-max-size: %d bytes: want 1KiB to 1MiB", c.SecretsMaxSize))
	}
	if c.SecretsMaxBytes < leastSecrets || c.SecretsMaxBytes > mostSecrets {
		wrong.add(fmt.Sprintf("--secrets-max-bytes: %d bytes: want 1MiB to 4GiB", c.SecretsMaxBytes))
	}
	if c.AutoUnseal != autounseal.NamePKCS11 {
		return
	}
	var missing []string
	for name, value := range map[string]string{"library": c.PKCS11.Library, "token": c.PKCS11.Token, "key": c.PKCS11.Key, "pin-file": c.PKCS11.PINFile} {
		if value == "" {
			missing = append(missing, "--pkcs11-"+name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		wrong.add("--auto-unseal pkcs11: needs " + strings.Join(missing, ", "))
	}
}

// checkPKCS11 looks at the files that the token needs, as far as they are named.
func (c *config) checkPKCS11(wrong *problems) {
	if !c.usesToken() {
		return
	}
	if err := c.PKCS11.Check(); err != nil {
		wrong.add("--auto-unseal pkcs11: " + err.Error())
	}
}

// usesToken reports whether a token is asked for, and everything is said that it needs.
func (c *config) usesToken() bool {
	o := c.PKCS11
	return c.AutoUnseal == autounseal.NamePKCS11 && o.Library != "" && o.Token != "" && o.Key != "" && o.PINFile != ""
}

// openUnsealer makes the method that the settings name. A token that is away keeps no master from starting: the identity
// API does not need it, and the stores may be opened by a peer or by people.
func (m *means) openUnsealer(cfg *config, wrong *problems) {
	switch {
	case len(*wrong) > 0 || m.ring == nil: // whoever mends it looks again; a token is not to be bothered before
	case cfg.AutoUnseal == autounseal.NameKeyFile:
		m.unsealer = autounseal.KeyFile(m.ring)
	case cfg.usesToken():
		method, err := autounseal.PKCS11(cfg.PKCS11)
		if err != nil {
			wrong.add("--auto-unseal pkcs11: " + err.Error())
			return
		}
		m.unsealer = method
	}
}

const (
	// unsealerPoll is how often a token is tried: that it does not answer any more must be known before it is needed.
	unsealerPoll = time.Minute
	// unsealerPatience bounds one try.
	unsealerPatience = 10 * time.Second
)

// unsealerWatch tries the token now and again and tells whether it works.
type unsealerWatch struct {
	method  autounseal.Method
	log     *slog.Logger
	working prometheus.Gauge
	was     bool
}

// newUnsealerWatch is nil unless stores open by a token: the key file is read at the start, or there is no start.
func newUnsealerWatch(method autounseal.Method, log *slog.Logger) *unsealerWatch {
	if method == nil || method.Name() != autounseal.NamePKCS11 {
		return nil
	}
	return &unsealerWatch{method: method, log: log, was: true, working: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_auto_unseal_working", Help: "1 if the PKCS#11 token sealed and opened something within the last minute."})}
}

func (w *unsealerWatch) run(ctx context.Context) error {
	if w == nil {
		return nil
	}
	defer w.method.Close()
	return repeatedly(ctx, unsealerPoll, func() error { w.look(ctx); return nil })
}

func (w *unsealerWatch) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, unsealerPatience)
	defer cancel()
	err := autounseal.Check(within, w.method)
	switch works := err == nil; {
	case ctx.Err() != nil:
		return
	case works:
		w.working.Set(1)
	default:
		w.working.Set(0)
	}
	switch {
	case err != nil && w.was:
		w.log.Error("auto-unseal does not work", "method", w.method.Name(), "error", err)
	case err == nil && !w.was:
		w.log.Info("auto-unseal works again", "method", w.method.Name(), "key_id", w.method.KeyID())
	}
	w.was = err == nil
}

func (w *unsealerWatch) collectors() []prometheus.Collector {
	if w == nil {
		return nil
	}
	return []prometheus.Collector{w.working}
}
