package state

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/fsm/iam"
)

func TestAUserIsFoundInAnySpelling(t *testing.T) {
	s := change(New(), func(t *Txn) {
		for _, uid := range []string{"Bob", "bob", "Eve"} {
			t.PutUser(&iam.User{UID: uid, ProviderType: iam.LDAP})
		}
		t.PutUser(regular("eve"))
	})
	for uid, want := range map[string]string{"bob": "bob", "Bob": "Bob", "BOB": "Bob", "eve": "Eve", "bobby": "", "": ""} {
		got := ""
		if u, ok := s.UserLike(iam.LDAP, uid); ok {
			got = u.UID
		}
		if got != want {
			t.Errorf("%q is %q, want %q", uid, got, want)
		}
	}
}

// A first login looks for another spelling among everybody.
func TestAnotherSpellingIsLookedForQuickly(t *testing.T) {
	const users, limit = 10_000, 2 * time.Millisecond
	s := change(New(), func(t *Txn) {
		for i := range users {
			t.PutUser(&iam.User{UID: fmt.Sprintf("user%05d", i), ProviderType: iam.LDAP})
		}
	})
	best := time.Hour
	for range 50 { // other work on the machine disturbs some of them
		start := time.Now()
		if _, ok := s.UserLike(iam.LDAP, "user1000x"); ok {
			t.Fatal("somebody is found")
		}
		best = min(best, time.Since(start))
	}
	t.Logf("%d users take %v", users, best)
	if best > limit {
		t.Errorf("%d users take %v, want %v at most", users, best, limit)
	}
}
