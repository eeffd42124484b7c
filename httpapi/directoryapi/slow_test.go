package directoryapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/cutoff"
)

// crawl has the cluster take two seconds for every change, so that no cut-off of tokens keeps ahead of its clock.
func (b *bed) crawl() {
	b.Before = func(command.Command) error {
		b.Clock.Advance(2 * time.Second)
		return nil
	}
}

func TestASlowClusterIsSynchronisedAndSaysSo(t *testing.T) {
	b := newBed(t)
	names := b.people(3, "all")
	b.importGroup("all")
	clear(b.fake.users)
	clear(b.fake.groups)
	b.crawl()
	got := b.call("POST", ours+"/sync", `{"force":true}`)
	if got.Want(t, http.StatusServiceUnavailable, "ERR_OUTCOME_UNKNOWN"); !strings.Contains(string(got.Body), cutoff.ErrSlow.Description) {
		t.Errorf("got %s", got.Body)
	}
	s := b.Leader().State()
	for _, uid := range names {
		if _, there := s.User(uid); there {
			t.Errorf("user %s is still there", uid)
		}
	}
	if _, there := s.Group("all"); there {
		t.Error("the group is still there")
	}
	last := b.api.last.get()
	if last == nil || last.Report == nil || last.Report.UsersRemoved != 3 || last.Report.GroupsRemoved != 1 || last.Error == "" {
		t.Errorf("the synchronisation is remembered as %+v", last)
	}
}

// The cut-off of a user who is removed by the first entry of several is behind.
func TestWhatFollowsASlowEntryIsWritten(t *testing.T) {
	b := newBed(t)
	b.people(1, "all")
	b.importGroup("all")
	items := []item{{removeUser: "user0000"}}
	for i := range batch {
		items = append(items, item{user: &iam.User{UID: fmt.Sprintf("new%04d", i), ProviderType: iam.LDAP}})
	}
	items = append(items, item{removeGroup: "all"})
	now, errNow := b.Leader().ReadIndex(t.Context())
	r := &httpapi.Request{State: b.Leader().State(), Term: now.Term}
	config, errConfig := b.api.config(r.State)
	if err := errors.Join(errNow, errConfig); err != nil {
		t.Fatal(err)
	}
	b.crawl()
	w := b.api.writer(r, config, "test")
	if err := w.write(t.Context(), items); !errors.Is(err, errSlow) {
		t.Errorf("write: %v, want %v", err, errSlow)
	}
	s := b.Leader().State()
	for _, i := range items {
		if !i.holds(s) {
			t.Errorf("not done: %s", i)
		}
	}
	if w.done.UsersRemoved != 1 || w.done.UsersCreated != batch || w.done.GroupsRemoved != 1 {
		t.Errorf("counted %+v", w.done)
	}
}
