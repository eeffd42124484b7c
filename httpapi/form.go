package httpapi

import (
	"net/url"
	"unicode/utf8"

	"gatehouse/fsm/fault"
)

// maxFormMembers is the most members of a form.
const maxFormMembers = 64

var errForm = fault.New(fault.BadRequest, "The form is malformed.")

// parseForm reads a body of application/x-www-form-urlencoded as strictly as JSON is read: a name that is there twice means one thing to
// who checks it and another to who uses it, and so has no meaning (hostile H2, H5, H7).
func parseForm(body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form) > maxFormMembers {
		return nil, errForm
	}
	for name, values := range form {
		if len(values) != 1 || !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, errForm
		}
	}
	return form, nil
}
