package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gatehouse/keyring/autounseal"
)

// fewLocked is for how many bytes of keys a master should be able to keep from being swapped out: each key lies in a page
// of its own, and reads make more for a moment.
const fewLocked = 1 << 20

func checkLockedMemory(f *facts) []Finding {
	soft, known := f.daemon.limits["Max locked memory"]
	if !known {
		return notChecked("the limits of the master's process cannot be read")
	}
	if bytes, err := strconv.ParseInt(soft, 10, 64); err == nil && bytes < fewLocked {
		return []Finding{warning(fmt.Sprintf("the master may lock %s of memory: keys may be swapped out", size(bytes)), "set LimitMEMLOCK=8M in its unit, and restart it")}
	}
	return ok("keys can be locked in memory")
}

// checkAutoUnseal does not log in to a token: tokens count wrong PINs, and the running master tells whether it works.
func checkAutoUnseal(f *facts) []Finding {
	switch f.in.AutoUnseal {
	case "", "off":
		return ok("stores open only with shares (--auto-unseal off)")
	case autounseal.NameKeyFile:
		if f.key.ring == nil {
			return notChecked("the key file cannot be used, see key-file")
		}
		return ok("stores open by themselves with the cluster key, unless they were sealed by hand")
	}
	if f.token != nil {
		return []Finding{problem("stores do not open by themselves: "+f.token.Error(), "mend it; the master does not start again with it")}
	}
	switch working, known := f.daemon.metrics["gatehouse_auto_unseal_working"]; {
	case !known:
		return notChecked("the master does not tell whether the token works")
	case working == 0:
		return []Finding{problem(fmt.Sprintf("the PKCS#11 token %q does not work now", f.in.PKCS11.Token),
			"its log says why; open stores stay open, but after a stop of all masters they need shares")}
	}
	return ok(fmt.Sprintf("stores open by themselves with key %q of the PKCS#11 token %q, unless they were sealed by hand", f.in.PKCS11.Key, f.in.PKCS11.Token))
}

// checkStores looks whether this master can read secrets.
func checkStores(f *facts) []Finding {
	const sealed, open = "gatehouse_store_sealed ", "gatehouse_store_open "
	var found []Finding
	var readable []string
	for _, key := range slices.Sorted(maps.Keys(f.daemon.stores)) {
		store, isStore := strings.CutPrefix(key, sealed)
		switch {
		case !isStore:
		case f.daemon.stores[key] == 1:
			found = append(found, warning(fmt.Sprintf("the store %s is sealed or not initialised: none of its secrets can be read", store),
				fmt.Sprintf("gatehouse operator status --store %s, then operator unseal or operator init; see docs/secrets.md", store)))
		case f.daemon.stores[open+store] == 0:
			found = append(found, problem(fmt.Sprintf("the store %s is unsealed, but this master has no keys", store),
				"its log says why neither another master nor auto-unseal could give them; operator unseal brings them to all masters"))
		default:
			readable = append(readable, store)
		}
	}
	switch {
	case len(f.daemon.stores) == 0:
		return notChecked("the master does not tell of any store")
	case len(found) == 0:
		return ok("open on this master: " + strings.Join(readable, ", "))
	}
	return found
}
