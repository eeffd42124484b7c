//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// shareOf is a share as it is printed.
var shareOf = regexp.MustCompile(`Share \d+: ([0-9a-f]{66})\n`)

// sitDown starts a line at a terminal at which the test stays.
func (d *desk) sitDown(t *testing.T, line string) *rig.Terminal {
	t.Helper()
	terminal := must[*rig.Terminal](t)(rig.OpenTerminal(d.shell(t.Context(), "exec "+line), 100))
	t.Cleanup(terminal.Close)
	return terminal
}

// answer waits for a prompt and answers it.
func answer(t *testing.T, terminal *rig.Terminal, prompt, text string) {
	t.Helper()
	if err := terminal.Answer(t.Context(), prompt, text+"\n"); err != nil {
		t.Fatal(err)
	}
}

// printed waits until so many shares are on the screen.
func printed(t *testing.T, terminal *rig.Terminal, want int) (shares []string) {
	t.Helper()
	await(t, 20*time.Second, fmt.Sprintf("%d shares on the screen", want), func(context.Context) error {
		shares = nil
		for _, match := range shareOf.FindAllStringSubmatch(terminal.Screen(), -1) {
			shares = append(shares, match[1])
		}
		if len(shares) != want {
			return fmt.Errorf("%d shares on the screen %q", len(shares), terminal.Screen())
		}
		return nil
	})
	return shares
}

// ends waits for the end of a line and wants it to succeed.
func ends(t *testing.T, terminal *rig.Terminal, want string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	status, screen, err := terminal.Wait(ctx)
	if err != nil || status != 0 || !strings.Contains(screen, want) {
		t.Fatalf("status %d, %v, want %q on the screen\n%s", status, err, want, screen)
	}
	return screen
}

// vault is a store of the test's own, and the lines that name it.
func vault(t *testing.T, d *desk) (store string, at func(line string) string) {
	t.Helper()
	store = strings.ToLower(named(t, "vault"))
	d.good(t, "gatehouse store create "+store)
	t.Cleanup(func() {
		if err := d.shell(context.Background(), "gatehouse store delete --force --yes "+store).Run(); err != nil {
			t.Errorf("delete the store %s: %v", store, err)
		}
	})
	return store, func(line string) string { return "gatehouse " + line + " --store " + store }
}

// Two holders of shares work at once: one at a terminal, one by a script through another master.
func TestOperatorsOpenAStoreTogether(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	d.login(t, c, "admin")
	_, at := vault(t, d)
	first := d.sitDown(t, at("operator init --shares 3 --threshold 2"))
	answer(t, first, "[y/N] ", "y")
	shares := printed(t, first, 3)
	ends(t, first, "WARNING: the shares are shown this once")
	d.says(t, 7, "sealed", at("operator status"))
	d.says(t, 7, "gatehouse operator unseal", "printf x | "+at("secret create a"))

	holder := d.sitDown(t, at("operator unseal"))
	answer(t, holder, "(0 of 2 shares given): ", shares[0])
	if err := holder.Answer(t.Context(), "(1 of 2 shares given): ", ""); err != nil { // the other one is waited for here
		t.Fatal(err)
	}
	if shows, err := holder.Echoes(); err != nil || shows {
		t.Errorf("the terminal shows a share as it is typed: %v", err)
	}
	d.file(t, "share", shares[2]+"\n")
	d.says(t, 0, "is open", "GATEHOUSE_TOKEN="+superuser(t, c)+" "+at("operator unseal --share-file share --url "+c.Masters[1].API))
	screen := ends(t, holder, "is open")
	for _, share := range shares {
		if strings.Contains(screen, share) {
			t.Errorf("a share is on the screen: %s", screen)
		}
	}
	if shows, err := holder.Echoes(); err != nil || !shows {
		t.Errorf("the terminal still hides what is typed: %v", err)
	}
	d.good(t, at("operator status"))
	for _, m := range c.Masters {
		d.says(t, 0, "", "printf x | GATEHOUSE_TOKEN="+superuser(t, c)+" "+at("secret create of/"+m.Name+" --url "+m.API))
	}
}

// A rekey from the first old share to the last new one at one terminal, while another operator's share ends the old ones.
func TestARekeyIsDoneAtATerminal(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	d.login(t, c, "admin")
	store, at := vault(t, d)
	d.good(t, at("operator init --shares 2 --threshold 2 --yes --out-dir old"))
	old := func(n int) string {
		return strings.TrimSpace(string(must[[]byte](t)(os.ReadFile(d.path(filepath.Join("old", fmt.Sprintf("%s-share-%d.txt", store, n)))))))
	}
	d.good(t, at("operator unseal --share-file old/"+store+"-share-1.txt --share-file old/"+store+"-share-2.txt"))
	d.good(t, "printf hunter2 | "+at("secret create a"))

	terminal := d.sitDown(t, at("operator rekey --shares 3 --threshold 2"))
	answer(t, terminal, "(0 of 2 shares given): ", old(1))
	answer(t, terminal, "(1 of 2 shares given): ", old(2))
	shares := printed(t, terminal, 3)
	d.says(t, 0, "new shares: 0 of 2", at("operator rekey --status"))
	answer(t, terminal, "new share", shares[2])
	d.file(t, "new", shares[0]+"\n")
	d.says(t, 0, "any 2 of 3 unseal it", at("operator rekey --share-file new"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if status, screen, err := terminal.Wait(ctx); err != nil || status != 1 || !strings.Contains(screen, "others have finished it") {
		t.Errorf("status %d, %v, want 1 and that others have finished it on the screen\n%s", status, err, screen)
	}

	d.good(t, at("operator seal --yes"))
	d.says(t, 1, "ERR_INVALID_SHARE", at("operator unseal --share-file old/"+store+"-share-1.txt --share-file old/"+store+"-share-2.txt"))
	d.file(t, "new", shares[0]+"\n"+shares[1]+"\n")
	d.says(t, 0, "is open", at("operator unseal --share-file new"))
	d.says(t, 0, "hunter2", at("secret get a"))
}

// The shares of holders with keys of the real gpg, in all the forms in which it exports them.
func TestHoldersDecryptTheirSharesWithGPG(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	d.login(t, c, "admin")
	store, at := vault(t, d)
	ring := must[*rig.GPG](t)(rig.NewGPG())
	t.Cleanup(ring.Close)
	for _, user := range []string{"alice", "bob"} {
		must[string](t)(ring.Key(t.Context(), user, "cv25519"))
	}
	d.file(t, "alice.asc", string(must[[]byte](t)(ring.Run(t.Context(), nil, "--armor", "--export", "alice"))))
	d.file(t, "bob.b64", must[string](t)(ring.Export(t.Context(), "bob")))
	d.good(t, at("operator init --shares 2 --threshold 2 --yes --pgp-key alice.asc --pgp-key bob.b64 --out-dir shares"))
	for i, user := range []string{"alice", "bob"} {
		message := must[[]byte](t)(os.ReadFile(d.path(fmt.Sprintf("shares/%s-share-%d-%s.gpg", store, i+1, user))))
		d.file(t, "share", must[string](t)(ring.Decrypt(t.Context(), message)))
		d.says(t, 0, []string{"1 of 2 shares", "is open"}[i], at("operator unseal --share-file share"))
	}
}

// What people see of values at a terminal, and what a pipe gets.
func TestPeopleTypeAndReadSecrets(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	d.login(t, c, "admin")
	dir := fresh(named(t, "d"))
	path := dir + "/password"
	status, screen := d.sit(t, 80, "gatehouse secret create "+path, "Value of "+path+": ", "correct horse", "The same again: ", "correct horse")
	if status != 0 || strings.Contains(screen, "correct horse") {
		t.Fatalf("create: status %d, screen\n%s", status, screen)
	}
	if got := d.good(t, "gatehouse secret get "+path); got != "correct horse" {
		t.Errorf("a pipe gets %q", got)
	}
	if status, screen = d.sit(t, 80, "gatehouse secret get "+path); status != 0 || screen != "correct horse\n" {
		t.Errorf("a terminal gets status %d, %q", status, screen)
	}
	d.good(t, `printf '\000\377\n' >bytes && gatehouse secret create `+dir+`/file --file bytes`)
	d.good(t, "gatehouse secret get "+dir+"/file | cmp - bytes && gatehouse secret get "+dir+"/file --out copy && cmp copy bytes")
	if mode := d.good(t, "stat -c %a copy"); mode != "600\n" {
		t.Errorf("the copy has mode %s", mode)
	}
	if status, screen = d.sit(t, 80, "gatehouse secret get "+dir+"/file"); status != 2 || !strings.Contains(screen, "--force") {
		t.Errorf("a terminal gets of a file: status %d, %q", status, screen)
	}
	d.says(t, 1, "ERR_SECRET_EXISTS", "printf x | gatehouse secret create "+path)
	d.good(t, "printf next | gatehouse secret update "+path+" --if-version 1 && printf x | gatehouse secret create "+dir+"/x/y")
	d.says(t, 1, "is 2, not 1", "printf x | gatehouse secret update "+path+" --if-version 1")
	d.says(t, 0, dir+"/x/y", "gatehouse secret list "+dir)
	d.says(t, 0, dir+"/x/", "gatehouse __complete secret get "+dir+"/")
	d.says(t, 2, "--yes", "gatehouse secret delete "+path)
	if status, screen = d.sit(t, 80, "gatehouse secret delete "+path, "[y/N] ", "y"); status != 0 {
		t.Errorf("delete: status %d, %s", status, screen)
	}
	d.says(t, 1, "gatehouse secret list --deleted", "gatehouse secret get "+path)
	d.says(t, 0, path, "gatehouse secret list "+dir+" --deleted")
	d.good(t, "gatehouse secret undelete "+path+` && test "$(gatehouse secret get `+path+` --version 1)" = "correct horse"`)
	for _, name := range []string{"/password", "/file", "/x/y"} {
		d.good(t, "gatehouse secret purge --yes "+dir+name)
	}
	if left := d.good(t, "gatehouse secret list "+dir); left != "PATH\n" {
		t.Errorf("left are %s", left)
	}
}
