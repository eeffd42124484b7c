package ssoapi

import (
	"context"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/page"
)

// ask has the person agree before a command line gets the login: whoever makes somebody follow a link begins one, and with a session at
// the provider it would end without a question, at a port that others on that computer may listen on (RFC 8252, 8.6).
func (v *visit) ask(u *iam.User) *httpapi.Response {
	question := v.api.sealer(v.r.State).SealQuestion(flow.Question{
		Flow: v.flow.ID, Type: v.kind, UID: u.UID, Subject: u.Subject, Ends: v.r.Time.Add(flow.QuestionLife).Unix(),
	})
	return page.Confirm(page.ConfirmData{UID: u.UID, Port: v.flow.Loopback, Action: confirmPath, Question: question})
}

// confirm takes the answer of the person.
func (a *api) confirm(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	v := &visit{api: a, r: r, kind: iam.OIDC}
	resp, err := v.agreed()
	return v.answer(ctx, resp, err)
}

// agreed gives out the code. That the form is from here follows from the question in it, which only the browser sees that holds the
// cookie of its flow.
func (v *visit) agreed() (*httpapi.Response, error) {
	q, err := v.asked()
	if err != nil {
		return nil, err
	}
	if _, err := v.resume(q.Flow); err != nil {
		return nil, err
	}
	if err := v.spend(flow.Item{ID: "question " + q.Flow, Until: v.flow.Ends()}); err != nil {
		return nil, err
	}
	if answer, err := only(v.r.Form["answer"]); err != nil || answer != "continue" {
		return nil, refused("The login of the command line was cancelled.")
	}
	u, err := vouched(q.UID, q.Subject, v.flow.Provider, v.flow.Version)(v.r.State)
	if err != nil {
		return nil, err
	}
	return v.code(u), nil
}

// asked opens the question that is answered.
func (v *visit) asked() (flow.Question, error) {
	text, err := only(v.r.Form["question"])
	if err != nil {
		return flow.Question{}, err
	}
	q, err := v.api.sealer(v.r.State).OpenQuestion(text)
	if err != nil {
		return q, refused("The answer does not say to which login it belongs.")
	}
	v.kind, v.uid = q.Type, q.UID
	if v.r.Time.After(time.Unix(q.Ends, 0)) {
		return q, refused("The page was open for too long.")
	}
	return q, nil
}
