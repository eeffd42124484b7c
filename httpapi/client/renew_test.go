package client_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/httpapi/client"
)

// A renewal that fails is neither waited for nor tried at every request.
func TestAFailedRenewalLeavesTheTokenInUse(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	began := time.Now()
	var ahead atomic.Int64
	c := cluster.client(t, client.Options{Now: func() time.Time { return began.Add(time.Duration(ahead.Load())) }})
	if err := read(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	cluster.refuse = says(401, "ERR_INVALID_CREDENTIALS")
	ahead.Store(int64(58 * time.Minute))
	for range 50 {
		if err := read(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if logins := len(cluster.seen()) - len(cluster.calls()); logins > 2 {
		t.Errorf("got %d logins, want the first and one renewal", logins)
	}
}

// However long a renewal takes to fail, the pause before the next one is a whole one.
func TestThePauseAfterAFailedRenewalBeginsAtItsEnd(t *testing.T) {
	cluster := startCluster(t, time.Hour)
	began := time.Now()
	var ahead atomic.Int64
	c := cluster.client(t, client.Options{Patience: -1, Now: func() time.Time { return began.Add(time.Duration(ahead.Load())) }})
	if err := read(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	cluster.refuse = func(w http.ResponseWriter, r *http.Request) {
		ahead.Add(int64(20 * time.Second))
		says(401, "ERR_INVALID_CREDENTIALS")(w, r)
	}
	ahead.Store(int64(58 * time.Minute))
	renewals := func() int { return len(cluster.seen()) - len(cluster.calls()) - 1 }
	for deadline := time.Now().Add(10 * time.Second); renewals() == 0 && time.Now().Before(deadline); {
		if err := read(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 { // the clock stands still since the renewal failed
		if err := read(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if n := renewals(); n != 1 {
		t.Errorf("got %d renewals, want 1", n)
	}
}
