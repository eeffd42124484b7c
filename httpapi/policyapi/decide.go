package policyapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// source says in which way a decision was asked for. It is a metric label.
type source string

const (
	fromQuery   source = "policyquery"
	fromBatch   source = "batch"
	fromProxy   source = "forward-auth"
	fromExplain source = "explain"
)

// meter counts decisions without a look-up for each.
type meter struct {
	all             *prometheus.CounterVec
	allowed, denied map[source]prometheus.Counter
}

func newMeter() *meter {
	m := &meter{all: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_policy_decisions_total", Help: "Decisions that others asked for, by source and result: allow, deny.",
	}, []string{"source", "result"}), allowed: map[source]prometheus.Counter{}, denied: map[source]prometheus.Counter{}}
	for _, s := range []source{fromQuery, fromBatch, fromProxy, fromExplain} {
		m.allowed[s], m.denied[s] = m.all.WithLabelValues(string(s), "allow"), m.all.WithLabelValues(string(s), "deny")
	}
	return m
}

func (m *meter) count(r *httpapi.Request, s source, allowed bool) {
	r.CountDecision(allowed)
	if allowed {
		m.allowed[s].Inc()
		return
	}
	m.denied[s].Inc()
}

// question is one pair of resource and action that a user may be allowed.
type question struct {
	uid, rid string
	action   iam.Actions
}

// decide answers from the state of the request, counts and records it. A user, or a resource, that does not exist is allowed
// nothing (contract 3.5).
func (a *api) decide(r *httpapi.Request, s source, q question) bool {
	allowed := iam.Authorize(r.State, q.uid, q.rid, q.action)
	a.meter.count(r, s, allowed)
	record(r, q.uid, q.action.String(), q.rid, allowed, reason(r, q, allowed))
	return allowed
}

// reason is why, in the words of audit records.
func reason(r *httpapi.Request, q question, allowed bool) string {
	if allowed {
		if iam.Superuser(r.State, q.uid) {
			return httpapi.ReasonSuperuser
		}
		return httpapi.ReasonGranted
	}
	if _, known := r.State.User(q.uid); !known {
		return "unknown user"
	}
	return httpapi.ReasonNotGranted
}

// record writes the audit record of a decision about uid. Who asked is named where it is somebody else.
func record(r *httpapi.Request, uid, action, object string, allowed bool, why string) {
	rec := httpapi.Record{UID: uid, Action: action, Object: object, Allow: allowed, Reason: why}
	if r.Caller.UID != uid {
		rec.Caller = r.Caller.UID
	}
	r.Audit(rec)
}
