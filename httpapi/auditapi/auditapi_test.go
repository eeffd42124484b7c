package auditapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/auditapi"
)

// alone is a master of one that keeps the last command it was given.
type alone struct{ given command.Command }

func (a *alone) ID() string { return "0123456789abcdef0123456789abcdef" }
func (a *alone) ReadIndex(context.Context) (httpapi.Read, error) {
	return httpapi.Read{Index: 1, Term: 1, Leader: a.ID(), Time: time.Now()}, nil
}
func (a *alone) WaitLeader(context.Context) (string, bool, error) { return a.ID(), true, nil }
func (a *alone) RoundTrip(string, *http.Request) (*http.Response, error) {
	return nil, errors.New("there is nobody else")
}
func (a *alone) State() *state.State                      { return state.New() }
func (a *alone) AppliedIndex() uint64                     { return 1 }
func (a *alone) WaitIndex(context.Context, uint64) error  { return nil }
func (a *alone) Health() httpapi.Health                   { return httpapi.Health{} }
func (a *alone) Masters(context.Context) []httpapi.Master { return nil }
func (a *alone) Verify(*state.State, string, time.Time) (httpapi.Identity, error) {
	return httpapi.Identity{}, errors.New("nobody logs in here")
}
func (a *alone) Submit(_ context.Context, _ command.Header, c command.Command) (command.Outcome, error) {
	a.given = c
	return command.Outcome{Index: 2}, nil
}

// A master that could tell of nothing for a while tells of as many heads at once as a command takes.
func TestAMasterTellsOfAsManyHeadsAsACommandTakes(t *testing.T) {
	a := &alone{}
	s, err := httpapi.New(httpapi.Options{Routes: auditapi.New(auditapi.Options{Submitter: a, Master: "m1"}),
		Cluster: a, Machine: a, Verifier: a, Status: a, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var told auditapi.Told
	for n := range command.MaxAuditHeads {
		told.Heads = append(told.Heads, state.AuditHead{Master: a.ID(), Sequence: 1<<63 + uint64(n), Hash: state.Hash{1, 2, 3},
			Time: time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC), Rotated: true})
	}
	body, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, auditapi.TellPath, bytes.NewReader(body))
	r.RequestURI = auditapi.TellPath
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.Admin().ServeHTTP(w, r)
	given, _ := a.given.(command.RecordAuditHeads)
	if w.Code != http.StatusNoContent || len(given.Heads) != command.MaxAuditHeads {
		t.Errorf("got %d %s, and a command with %d heads, want 204 and %d", w.Code, w.Body, len(given.Heads), command.MaxAuditHeads)
	}
}
