package policyapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// The two answers of a policy query, as the original rendered them: the first has 22 bytes (contract 3.5).
var (
	answerAllowed = []byte("{\n  \"allowed\": true\n}\n")
	answerDenied  = []byte("{\n  \"allowed\": false\n}\n")
)

// verdict is one entry of an answer to many questions.
type verdict struct {
	Allowed bool `json:"allowed"`
}

type verdicts struct {
	Array []verdict `json:"array"`
}

// query answers GET policyquery.
func (a *api) query(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q, err := asked(r.Query)
	if err == nil {
		err = mayAsk(r, q.uid)
	}
	if err != nil {
		return nil, err
	}
	if a.decide(r, fromQuery, q) {
		return &httpapi.Response{Raw: answerAllowed}, nil
	}
	return &httpapi.Response{Raw: answerDenied}, nil
}

// asked takes a question from query parameters.
func asked(v url.Values) (q question, err error) {
	if q.rid, err = parameter(v, "rid"); err != nil {
		return q, err
	}
	if q.uid, err = parameter(v, "uid"); err != nil {
		return q, err
	}
	if err = validateUID(q.uid); err != nil {
		return q, err
	}
	if err = iam.ValidateRID(q.rid); err != nil {
		return q, err
	}
	q.action, err = actionParameter(v)
	return q, err
}

// validateUID refuses what is longer than any uid: it would stand in the audit trail. Whatever else is no user is not allowed
// anything, which is no error (contract 3.5): components ask about * and anonymous.
func validateUID(uid string) error {
	if len(uid) > iam.MaxUID {
		return iam.ValidateUID(uid)
	}
	return nil
}

func actionParameter(v url.Values) (iam.Actions, error) {
	name, err := parameter(v, "action")
	if err != nil {
		return 0, err
	}
	return iam.ParseAction(name)
}

// parameter returns the one value of a parameter. Of several nobody knows which one another reader would take: the caller may
// have put what somebody else wrote into the query.
func parameter(v url.Values, name string) (string, error) {
	switch values := v[name]; {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", fault.New(fault.MissingQueryParameters, "Expected query parameter `%s`.", name)
	case len(values) > 1:
		return "", fault.New(fault.BadRequest, "More than one query parameter `%s`.", name)
	default:
		return values[0], nil
	}
}

// mayAsk refuses questions about others, unless they come over the internal surface or from a superuser (contract 9, decision 23).
func mayAsk(r *httpapi.Request, uid string) error {
	if r.Unnamed || uid == r.Caller.UID || iam.Superuser(r.State, r.Caller.UID) {
		return nil
	}
	return fault.New(fault.Forbidden, "User `%s` is not allowed to ask about others.", r.Caller.UID)
}

// maxQueries is how many questions one request may ask (hostile A17).
const maxQueries = 1000

// batchSchema is a list of questions.
var batchSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{{Name: "queries", Type: httpapi.Array, Required: true}}}

// queryMany answers POST policyquery: about all of it, or not at all.
func (a *api) queryMany(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.many(r, func(entry map[string]string) (q question, err error) {
		if q, err = entryQuestion(entry, "uid", "rid", "action"); err != nil {
			return q, err
		}
		q.uid = entry["uid"]
		if err = validateUID(q.uid); err != nil {
			return q, err
		}
		return q, mayAsk(r, q.uid)
	})
}

// authorizeMany answers POST authorize: many questions about the caller.
func (a *api) authorizeMany(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.many(r, func(entry map[string]string) (question, error) {
		q, err := entryQuestion(entry, "rid", "action")
		q.uid = r.Caller.UID
		return q, err
	})
}

// many decides once every entry is known to be a question that the caller may ask.
func (a *api) many(r *httpapi.Request, parse func(entry map[string]string) (question, error)) (*httpapi.Response, error) {
	var in struct {
		Queries []map[string]string `json:"queries"` // maps: names match exactly, and none twice
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.Queries) > maxQueries {
		return nil, fault.New(fault.BadRequest, "More than %d queries.", maxQueries)
	}
	questions := make([]question, len(in.Queries))
	for i, entry := range in.Queries {
		var err error
		if questions[i], err = parse(entry); err != nil {
			return nil, numbered(i, err)
		}
	}
	out := verdicts{Array: make([]verdict, len(questions))}
	for i, q := range questions {
		out.Array[i].Allowed = a.decide(r, fromBatch, q)
	}
	return &httpapi.Response{Body: out}, nil
}

// entryQuestion reads an entry that has exactly these members.
func entryQuestion(entry map[string]string, members ...string) (q question, err error) {
	for _, name := range members {
		if entry[name] == "" {
			return q, fault.New(fault.Schema, "`%s` is missing", name)
		}
	}
	if len(entry) > len(members) {
		return q, fault.New(fault.Schema, "there are other members than %v", members)
	}
	q.rid = entry["rid"]
	if err = iam.ValidateRID(q.rid); err != nil {
		return q, err
	}
	q.action, err = iam.ParseAction(entry["action"])
	return q, err
}

// numbered says which entry a fault is about.
func numbered(i int, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return fault.New(f.Code, "Query %d: %s", i, f.Description)
	}
	return fmt.Errorf("query %d: %w", i, err)
}
