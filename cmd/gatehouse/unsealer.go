package main

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/keyring/autounseal"
)

// autoUnsealOff keeps stores from opening without people.
const autoUnsealOff = "off"

const (
	leastSecret, mostSecret   = 1 << 10, 1 << 20  // bytes; of a larger one the log entry would hold up heartbeats
	leastSecrets, mostSecrets = 1 << 20, 16 << 30 // bytes
)

func (c *config) checkSecrets(wrong *problems) {
	choice("auto-unseal", c.AutoUnseal, wrong, autounseal.NameKeyFile, autounseal.NamePKCS11, autoUnsealOff)
	if c.SecretsMaxSize < leastSecret || c.SecretsMaxSize > mostSecret {
		wrong.add(fmt.Sprintf("--secrets-max-size: %d bytes: want 1KiB to 1MiB", c.SecretsMaxSize))
	}
	if c.SecretsMaxBytes < leastSecrets || c.SecretsMaxBytes > mostSecrets {
		wrong.add(fmt.Sprintf("--secrets-max-bytes: %d bytes: want 1MiB to 16GiB", c.SecretsMaxBytes))
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
