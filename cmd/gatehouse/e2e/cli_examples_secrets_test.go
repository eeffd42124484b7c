//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// secrets are the examples of secrets, in the order in which they come about.
func (p *play) secrets() []scene {
	const password = "prod/db/password"
	twice := []string{"Value of " + password + ": ", "correct horse", "The same again: ", "correct horse"}
	return []scene{
		{line: "gatehouse secret create prod/db/password", typed: twice, before: func() []string {
			p.file(p.t, "server.p12", "\x30\x82\x00")
			p.file(p.t, "ca.pem", someCertificate(p.t))
			p.env = append(p.env, "PASSWORD=secret")
			return nil
		}},
		{line: "printf %s \"$PASSWORD\" | gatehouse secret create prod/db/replica --description 'Read only' --label db"},
		{line: "gatehouse secret create prod/tls/server.p12 --file server.p12"},
		{line: "gatehouse secret create prod/tls/ca.pem --file ca.pem --text --ttl 720h"},
		{line: "gatehouse secret update prod/db/password", typed: twice},
		{line: "gatehouse secret update prod/tls/server.p12 --file server.p12 --if-version 1"},
		{line: "gatehouse secret delete --yes prod/db/replica"},
		{line: "gatehouse secret list --deleted"},
		{line: "gatehouse secret undelete prod/db/replica"},
		{line: "gatehouse secret purge --yes prod/db/replica"},
		{line: "gatehouse secret watch", typed: []string{"version 1", "\x03"}, before: p.watched("gatehouse secret watch", "first")},
		{line: "gatehouse secret watch prod --output json", typed: []string{`"event":"put"`, "\x03"}, before: p.watched("gatehouse secret watch prod", "prod/second")},
	}
}

// watched lets a watch begin before a change, so that it has something to tell, and makes it the process that Ctrl-C ends.
func (p *play) watched(command, path string) func() []string {
	return func() []string {
		var now struct{ Index uint64 }
		request := rig.Request{Method: http.MethodGet, URL: p.cluster.Masters[0].API + ourSecrets + "default/watch", Token: strings.TrimSpace(p.good(p.t, "gatehouse token show --raw"))}
		decode(p.t, ask(p.t, p.cluster, http.StatusOK, request).Body, &now)
		p.good(p.t, "printf x | gatehouse secret create "+path)
		return []string{command, fmt.Sprintf("exec %s --index %d", command, now.Index)}
	}
}

func (p *play) stores() []scene {
	return []scene{
		{line: "gatehouse store create payments --description 'Keys of the payment service'"},
		{line: "gatehouse store delete --yes payments"},
		{line: "gatehouse store delete --force --yes old", before: func() []string {
			p.good(p.t, "gatehouse store create old && printf x | gatehouse secret create a --store old")
			return nil
		}},
	}
}

// sealed makes a store of its own with one share, which is in share.txt, and names it in a command.
func (p *play) sealed(command string) func() []string {
	return func() []string { return p.atSealed(command) }
}

func (p *play) atSealed(command string) []string {
	p.t.Helper()
	store := p.newStore()
	out := p.good(p.t, "gatehouse operator init --shares 1 --threshold 1 --yes --output json --store "+store)
	var made struct{ Keys []string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || len(made.Keys) != 1 {
		p.t.Fatalf("init: %v\n%s", err, out)
	}
	p.file(p.t, "share.txt", made.Keys[0]+"\n")
	return []string{command, command + " --store " + store}
}

// newStore makes an empty store that unseals by itself.
func (p *play) newStore() string {
	p.t.Helper()
	p.made++
	store := fmt.Sprintf("of-an-example-%d", p.made)
	p.good(p.t, "gatehouse store create "+store)
	return store
}

// dropStores leaves the store default alone, which is open.
func (p *play) dropStores() []string {
	for ; p.made > 0; p.made-- {
		p.good(p.t, fmt.Sprintf("gatehouse store delete --force --yes of-an-example-%d", p.made))
	}
	return nil
}

// seals are the examples of operators, each on a store of its own where it would leave the default one sealed.
func (p *play) seals() []scene {
	with := func(command string) func() []string {
		return func() []string { return []string{command, command + " --store " + p.newStore()} }
	}
	share := []string{"given): ", "known once the store is made"}
	socket := func() []string {
		return []string{"/var/lib/gatehouse/admin.sock", p.cluster.Masters[0].AdminSocket}
	}
	return []scene{
		{line: "gatehouse operator init --shares 5 --threshold 3", typed: []string{"[y/N] ", "y"}, before: with("gatehouse operator init")},
		{line: "gatehouse operator init --shares 2 --threshold 2 --pgp-key alice.asc --pgp-key bob.gpg --out-dir shares --yes", before: func() []string {
			p.pgpKeys()
			return with("gatehouse operator init")()
		}},
		{line: "gatehouse operator init --shares 1 --threshold 1 --auto-unseal --yes --output json", before: with("gatehouse operator init")},
		{line: "gatehouse operator unseal", typed: share, before: func() []string {
			change := p.atSealed("gatehouse operator unseal")
			share[1] = strings.TrimSpace(string(must[[]byte](p.t)(os.ReadFile(p.path("share.txt")))))
			return change
		}},
		{line: "gatehouse operator unseal --share-file share.txt", before: p.sealed("gatehouse operator unseal")},
		{line: "gpg --decrypt share.gpg | gatehouse operator unseal", before: func() []string {
			change := p.atSealed("gatehouse operator unseal")
			p.desk.script(p.t, "gpg", `cat "$2"`)
			p.good(p.t, "cp share.txt share.gpg")
			return change
		}},
		{line: "gatehouse operator unseal --reset", before: p.sealed("gatehouse operator unseal")},
		{line: "gatehouse operator seal --local --admin-socket /var/lib/gatehouse/admin.sock --yes", before: socket},
		{line: "gatehouse operator seal --yes"},
		{line: "gatehouse operator unseal --auto"},
	}
}

// pgpKeys writes the keys of two holders, as gpg exports them.
func (p *play) pgpKeys() {
	p.t.Helper()
	ring := must[*rig.GPG](p.t)(rig.NewGPG())
	p.t.Cleanup(ring.Close)
	for file, export := range map[string][]string{"alice.asc": {"--armor", "--export"}, "bob.gpg": {"--export"}} {
		user, _, _ := strings.Cut(file, ".")
		must[string](p.t)(ring.Key(p.t.Context(), user, "cv25519"))
		key := must[[]byte](p.t)(ring.Run(p.t.Context(), nil, append(export, user)...))
		p.file(p.t, file, string(key))
	}
}

// rekeys are the steps of one rekey, and examples of its flags.
func (p *play) rekeys() []scene {
	const verb = "gatehouse operator rekey"
	var store string
	at := func(more string) func() []string {
		return func() []string { return []string{verb, verb + " --store " + store + more} }
	}
	return []scene{
		{line: verb + " --shares 5 --threshold 3", before: func() []string {
			change := p.atSealed(verb)
			store = strings.Fields(change[1])[4]
			p.good(p.t, "gatehouse operator unseal --share-file share.txt --store "+store)
			return []string{verb, "cat share.txt | " + change[1] + " --output json"}
		}},
		{line: verb + " --status", before: at("")},
		{line: verb + " --cancel", before: at("")},
		{line: verb + " --auto --shares 3 --threshold 2 --out-dir shares", before: func() []string {
			if err := os.RemoveAll(p.path("shares")); err != nil {
				p.t.Fatal(err)
			}
			store = p.newStore()
			return at("")()
		}},
		{line: verb + " --share-file share.txt --nonce 6e6f6e6365", before: func() []string {
			var now struct{ Nonce string }
			decode(p.t, []byte(p.good(p.t, verb+" --status --output json --store "+store)), &now)
			p.good(p.t, "cat "+filepath.Join("shares", store+"-share-1.txt")+" "+filepath.Join("shares", store+"-share-3.txt")+" >share.txt")
			return []string{"6e6f6e6365", now.Nonce, verb, verb + " --output json --store " + store}
		}},
		{line: "gatehouse operator rotate", before: p.dropStores},
	}
}
