package saml

import (
	"slices"
	"time"

	"github.com/crewjam/saml"
)

// skew is how far the clocks of the identity provider and of this cluster may differ.
const skew = time.Minute

const bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

// asked is what an answer must fit.
type asked struct {
	entityID, acsURL string // ours
	issuer           string // of the identity provider
	requestID        string
	now              time.Time
}

// response checks what a response says beside its assertion (profiles 4.1.4.2). That part may be unsigned: it can only refuse.
func (a asked) response(r *responseXML) error {
	switch {
	case r.Version != "2.0":
		return refused("The answer is not of SAML version 2.0.")
	case r.Destination != nil && *r.Destination != a.acsURL:
		return refusedWith("The answer was sent to another place than this service provider.", "Destination", *r.Destination)
	case a.requestID == "" || r.InResponseTo != a.requestID:
		return refusedWith("The answer does not belong to the login that was started in this browser.", "InResponseTo", r.InResponseTo)
	case len(r.Issuers) > 1 || len(r.Issuers) == 1 && r.Issuers[0].value() != a.issuer:
		return refusedWith("The answer is by another identity provider than the configured one.", "Issuer", first(r.Issuers))
	}
	return success(r.Statuses)
}

func success(list []statusXML) error {
	if len(list) != 1 || len(list[0].Codes) != 1 {
		return refused("The answer has no status.")
	}
	code := list[0].Codes[0]
	if code.Value == saml.StatusSuccess {
		return nil
	}
	detail := code.Value
	if len(code.Codes) > 0 {
		detail = code.Codes[0].Value
	}
	return refusedWith("The identity provider did not authenticate the user.", "status", detail)
}

// assertion checks that an assertion is by our identity provider, about a login, for us and for now (core 2.5, profiles
// 4.1.4.3), and returns the time from which on it is not.
func (a asked) assertion(x *assertionXML) (end time.Time, err error) {
	switch {
	case x.Version != "2.0" || x.ID == "":
		return end, refused("The assertion is not of SAML version 2.0.")
	case len(x.Issuers) != 1 || x.Issuers[0].value() != a.issuer:
		return end, refusedWith("The assertion is by another identity provider than the configured one.", "Issuer", first(x.Issuers))
	case len(x.Subjects) != 1 || len(x.Conditions) != 1 || len(x.Sessions) == 0:
		return end, refused("The assertion does not have one subject, one set of conditions and a statement of authentication.")
	}
	if err := a.sessions(x.Sessions); err != nil {
		return end, err
	}
	if err := a.conditions(&x.Conditions[0]); err != nil {
		return end, err
	}
	if end, err = a.confirmed(x.Subjects[0].Confirmations); err != nil {
		return end, err
	}
	if limit := x.Conditions[0].NotOnOrAfter; limit != nil && time.Time(*limit).Before(end) {
		end = time.Time(*limit)
	}
	return end.Add(skew), nil
}

func (a asked) sessions(list []sessionXML) error {
	for _, session := range list {
		if session.NotOnOrAfter != nil && a.past(session.NotOnOrAfter) {
			return refused("The session at the identity provider has ended; or the clocks of the two differ by more than a minute.")
		}
	}
	return nil
}

func (a asked) conditions(c *conditionsXML) error {
	switch {
	case a.future(c.NotBefore):
		return refused("The assertion is not valid yet; the clock of the identity provider is probably ahead.")
	case c.NotOnOrAfter != nil && a.past(c.NotOnOrAfter):
		return refused("The assertion has expired; the login took too long, or the clock of the identity provider is behind.")
	case len(c.Others) > 0:
		return refused("The assertion has a condition that is not understood.")
	case len(c.Audiences) == 0:
		return refused("The assertion does not say for whom it is: it has no AudienceRestriction.")
	}
	for _, restriction := range c.Audiences {
		if !slices.ContainsFunc(restriction.Audiences, func(t textXML) bool { return t.value() == a.entityID }) {
			return refusedWith("The assertion is for another service provider: its audience is not the entity id of this one.", "Audience", first(restriction.Audiences))
		}
	}
	return nil
}

// confirmed returns the time at which the last of the confirmations ends by which whoever brings the assertion is its subject.
func (a asked) confirmed(list []confirmationXML) (end time.Time, err error) {
	err = refused("The assertion has no subject confirmation by the bearer method.")
	for _, c := range list {
		if c.Method != bearer {
			continue
		}
		if wrong := a.bearer(c.Data); wrong != nil {
			err = wrong
			continue
		}
		if t := time.Time(*c.Data[0].NotOnOrAfter); t.After(end) {
			end = t
		}
	}
	if !end.IsZero() {
		return end, nil
	}
	return end, err
}

func (a asked) bearer(data []confirmationDataXML) error {
	if len(data) != 1 || data[0].NotOnOrAfter == nil {
		return refused("The assertion's subject confirmation does not say until when it holds.")
	}
	switch d := data[0]; {
	case d.Recipient != a.acsURL:
		return refusedWith("The assertion was made for another recipient than this service provider.", "Recipient", d.Recipient)
	case d.InResponseTo != a.requestID:
		return refusedWith("The assertion does not belong to the login that was started in this browser.", "InResponseTo", d.InResponseTo)
	case a.future(d.NotBefore):
		return refused("The assertion is not valid yet; the clock of the identity provider is probably ahead.")
	case a.past(d.NotOnOrAfter):
		return refused("The assertion has expired; the login took too long, or the clock of the identity provider is behind.")
	}
	return nil
}

// future reports whether a NotBefore is still to come.
func (a asked) future(t *saml.RelaxedTime) bool {
	return t != nil && a.now.Add(skew).Before(time.Time(*t))
}

// past reports whether a NotOnOrAfter has passed.
func (a asked) past(t *saml.RelaxedTime) bool {
	return !a.now.Add(-skew).Before(time.Time(*t))
}

func first(list []textXML) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].value()
}
