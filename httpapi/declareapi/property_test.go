package declareapi

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/declare"
)

const root = "root"

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// keys are two public keys of services.
var keys = sync.OnceValue(func() (all [2]string) {
	for i := range all {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			panic(err)
		}
		all[i] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return all
})

// founded is a cluster that has its superuser and nothing else.
func founded() *state.State {
	txn := state.New().Begin()
	txn.Next(1)
	txn.SetMeta(state.Meta{ClusterID: "cluster-1", Level: 2, Clock: noon})
	txn.PutUser(&iam.User{UID: root, PasswordHash: "$fake$", ProviderType: iam.Internal})
	txn.PutGroup(&iam.Group{GID: iam.SuperuserGroup, ProviderType: iam.Internal})
	txn.PutACL(&iam.ACL{RID: iam.SuperuserRID})
	txn.PutMembership(iam.SuperuserGroup, root)
	txn.PutGrant(state.Grant{RID: iam.SuperuserRID, Principal: iam.SuperuserGroup, Group: true, Actions: iam.Full})
	return txn.Commit(1)
}

// apply makes changes as a leader does.
func apply(s *state.State, changes []declare.Change) (*state.State, error) {
	commands, err := Commands(changes, declare.Unsealed{}, nil)
	if err != nil {
		return s, err
	}
	txn := s.Begin()
	txn.Next(s.Index() + 1)
	h := command.Header{Level: 2, Term: 1, Time: noon, Actor: command.Actor{UID: root, IssuedAt: noon, Right: iam.Right{RID: iam.SuperuserRID, Action: iam.Full}}}
	if _, err := command.Apply(txn, 1, h, command.ApplyChanges{Changes: commands, TokenLife: time.Hour}); err != nil {
		return s, err
	}
	return txn.Commit(s.Index() + 1), nil
}

// exported is what the command line gets of a state.
func exported(t rapid.TB, s *state.State) *declare.Document {
	var text bytes.Buffer
	if err := writeState(&text, s); err != nil {
		t.Fatal(err)
	}
	var d declare.Document
	if err := json.Unmarshal(text.Bytes(), &d); err != nil {
		t.Fatalf("%s\n%v", &text, err)
	}
	return &d
}

// documents are complete files, which the superuser may apply.
var documents = rapid.Custom(func(t *rapid.T) *declare.Document {
	some := func(what string) bool { return rapid.Bool().Draw(t, what) }
	text := func(what string) *string {
		if some(what + "?") {
			return nil
		}
		s := rapid.SampledFrom([]string{"", "plain", "true", "0x1f", "- #: {", "two\nlines\n", " spaces ", "'\"", "héllo 世界"}).Draw(t, what)
		return &s
	}
	d := &declare.Document{Version: 1, Users: []declare.User{{UID: root, Description: text("root")}}, ServiceAccounts: []declare.User{}}
	var uids []string
	for i := range 6 {
		uid := fmt.Sprintf("u%d", i)
		switch {
		case some(uid):
			continue
		case i < 2:
			d.Users = append(d.Users, declare.User{UID: uid, Description: text(uid)})
		case i == 2:
			d.Users = append(d.Users, declare.User{UID: uid, ProviderType: iam.OIDC, ProviderID: "idp", Description: text(uid)})
		default:
			key := keys()[rapid.IntRange(0, 1).Draw(t, "key")]
			d.ServiceAccounts = append(d.ServiceAccounts, declare.User{UID: uid, PublicKey: key, Description: text(uid)})
		}
		uids = append(uids, uid)
	}
	members := func(always ...string) []declare.Member {
		list := []declare.Member{}
		for _, uid := range always {
			list = append(list, declare.Member{UID: uid})
		}
		for _, uid := range uids {
			if some("member") {
				list = append(list, declare.Member{UID: uid})
			}
		}
		return list
	}
	d.Groups = []declare.Group{{GID: iam.SuperuserGroup, Description: text("superusers"), Members: members(root)}}
	gids := []string{}
	for i := range 3 {
		if some("group") {
			gid := fmt.Sprintf("g%d", i)
			gids = append(gids, gid)
			d.Groups = append(d.Groups, declare.Group{GID: gid, Description: text(gid), Members: members()})
		}
	}
	grants := func(ids []string, always ...declare.Grant) declare.Grants {
		list := append(declare.Grants{}, always...)
		for _, id := range ids {
			if actions := iam.Actions(rapid.IntRange(0, int(iam.AnyAction)).Draw(t, "actions")); actions != 0 && some("grant") {
				list = append(list, declare.Grant{ID: id, Actions: actions})
			}
		}
		return list
	}
	d.ACLs = []declare.ACL{{RID: iam.SuperuserRID, Description: text("dcos:superuser"), Users: grants(uids), Groups: grants(gids, declare.Grant{ID: iam.SuperuserGroup, Actions: iam.Full})}}
	for _, rid := range []string{"dcos:secrets:default:/a/*", "true", "x: #y"} {
		if some(rid) {
			d.ACLs = append(d.ACLs, declare.ACL{RID: rid, Description: text(rid), Users: grants(uids), Groups: grants(gids)})
		}
	}
	d.Providers = []declare.Provider{}
	if some("oidc") {
		off := some("verify")
		d.Providers = append(d.Providers, declare.Provider{ID: "idp", Type: iam.OIDC, Description: text("idp"), Issuer: "https://idp.example",
			BaseURL: rapid.SampledFrom([]string{"https://a.example", "http://127.0.0.1:8101/"}).Draw(t, "base"), ClientID: "gatehouse",
			ClientSecret: "s3cret", VerifyServerCertificate: &off})
	}
	if some("saml") {
		d.Providers = append(d.Providers, declare.Provider{ID: "adfs", Type: iam.SAML, Description: text("adfs"), SPBaseURL: "https://a.example",
			Metadata: `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "entity") + `"/>`})
	}
	return d
})

var prune = declare.Options{Prune: true, Caller: root}

// reach applies a plan in parts of a random size, and is interrupted now and then.
func reach(t *rapid.T, s *state.State, want *declare.Document) *state.State {
	for range 4 {
		plan := declare.Difference(exported(t, s), want, prune)
		if len(plan.Wrong) > 0 {
			t.Fatalf("the plan is refused: %v", plan.Wrong.Lines())
		}
		for rest := plan.Steps; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			next, err := apply(s, declare.ChangesOf(rest[:n]))
			if err != nil {
				t.Fatalf("apply: %v", err)
			}
			s, rest = next, rest[n:]
			if rapid.IntRange(0, 9).Draw(t, "interrupted") == 0 {
				break
			}
		}
	}
	plan := declare.Difference(exported(t, s), want, prune)
	if s, err := apply(s, declare.ChangesOf(plan.Steps)); err == nil {
		return s
	}
	t.Fatal("the last part is refused")
	return nil
}

func TestApplyReachesWhatIsDeclaredFromEveryState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := reach(t, founded(), documents.Draw(t, "before"))
		want := documents.Draw(t, "after")
		s = reach(t, s, want)
		if plan := declare.Difference(exported(t, s), want, prune); len(plan.Steps)+len(plan.Wrong) > 0 {
			t.Fatalf("still different: %+v, %v", plan.Steps, plan.Wrong.Lines())
		}
		if !iam.Superuser(s, root) {
			t.Fatal("the superuser is none any more")
		}
	})
}

func TestAnExportAppliedToItsOwnStateIsNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := reach(t, founded(), documents.Draw(t, "declared"))
		have := exported(t, s)
		var asYAML, asJSON, again bytes.Buffer
		if err := have.WriteYAML(&asYAML); err != nil {
			t.Fatal(err)
		}
		if err := writeState(&asJSON, s); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{asYAML.String(), asJSON.String()} {
			var kept declare.Document
			if wrong := append(kept.Parse("kept", []byte(text)), kept.Check()...); len(wrong) > 0 {
				t.Fatalf("%s\n%v", text, wrong.Lines())
			}
			if plan := declare.Difference(have, &kept, prune); len(plan.Steps)+len(plan.Wrong)+plan.Left.Total() > 0 {
				t.Fatalf("%s\n%+v, %v, left %v", text, plan.Steps, plan.Wrong.Lines(), plan.Left)
			}
			again.Reset()
			if err := kept.WriteYAML(&again); err != nil || again.String() != asYAML.String() {
				t.Fatalf("written again (%v):\n%s\nwas\n%s", err, &again, &asYAML)
			}
		}
		if strings.Contains(asYAML.String(), "$fake$") {
			t.Fatal("a password hash is in the export")
		}
	})
}
