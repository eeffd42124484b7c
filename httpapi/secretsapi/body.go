package secretsapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// written is what a client sent to be stored. What is nil was not sent.
type written struct {
	value               []byte
	author, description *string
	labels              []string
	life                *time.Duration // 0: without an end
	file                bool
}

// maxAuthor bounds the name of an author in bytes; it does not count against the limit of a secret.
const maxAuthor = 1 << 10

// parse reads the body: a file, or a JSON object of which unknown members are ignored (contract 6.2). Its errors repeat nothing of
// the body.
func parse(r *httpapi.Request) (w written, err error) {
	if w.life, err = life(r); err != nil {
		return w, err
	}
	if r.File {
		w.file, w.value = true, r.Body
		if w.value == nil {
			w.value = []byte{}
		}
		return w, nil
	}
	if !r.JSON || bytes.TrimLeft(r.Body, " \t\r\n")[0] != '{' {
		return w, fault.New(fault.InvalidData, "The body must be a JSON object.")
	}
	if w.value, err = text(r, "value"); err != nil {
		return w, err
	}
	if w.author, err = line(r, "author"); err != nil {
		return w, err
	}
	if w.description, err = line(r, "description"); err != nil {
		return w, err
	}
	if w.author != nil && len(*w.author) > maxAuthor {
		return w, fault.New(fault.InvalidData, "`author` must be at most %d bytes.", maxAuthor)
	}
	w.labels, err = labels(r)
	return w, err
}

// text is a member of the body that must be a string; null is as good as absent.
func text(r *httpapi.Request, name string) ([]byte, error) {
	raw, ok := r.Member(name)
	if !ok || raw[0] == 'n' {
		return nil, nil
	}
	s, ok := httpapi.Text(raw)
	if !ok {
		return nil, fault.New(fault.InvalidData, "`%s` must be a string.", name)
	}
	return s, nil
}

func line(r *httpapi.Request, name string) (*string, error) {
	raw, err := text(r, name)
	if raw == nil {
		return nil, err
	}
	s := string(raw)
	return &s, nil
}

func labels(r *httpapi.Request) ([]string, error) {
	raw, ok := r.Member("labels")
	if !ok || raw[0] == 'n' {
		return nil, nil
	}
	var list []*string
	if json.Unmarshal(raw, &list) != nil {
		return nil, errLabels
	}
	out := make([]string, len(list))
	for i, label := range list {
		if label == nil {
			return nil, errLabels
		}
		out[i] = *label
	}
	return out, nil
}

var errLabels = fault.New(fault.InvalidData, "`labels` must be an array of strings.")

// life is how long the secret is to live: the member ttl, else the query parameter.
func life(r *httpapi.Request) (*time.Duration, error) {
	written := r.Query.Get("ttl")
	if raw, ok := r.Member("ttl"); ok && raw[0] != 'n' {
		if s, isText := httpapi.Text(raw); isText {
			written = string(s)
		} else {
			written = string(raw)
		}
		if written == "" {
			return nil, errDuration("ttl")
		}
	}
	if written == "" {
		return nil, nil
	}
	d, err := duration("ttl", written)
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// longestLife bounds durations: what lives longer needs no end.
const longestLife = 100 * 365 * 24 * time.Hour

// duration reads whole seconds, or a duration as Go and Vault write it.
func duration(name, written string) (time.Duration, error) {
	d, err := time.ParseDuration(written)
	if seconds, failed := strconv.ParseUint(written, 10, 32); failed == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < 0 || d > longestLife {
		return 0, errDuration(name)
	}
	return d, nil
}

func errDuration(name string) error {
	return fault.New(fault.InvalidData, "`%s` must be a number of seconds or a duration such as 24h30m, and at most 100 years.", name)
}

// empty reports whether a change asks for nothing.
func (w *written) empty() bool {
	return w.value == nil && w.author == nil && w.description == nil && w.labels == nil && w.life == nil
}

// over is what is stored of it, over what was stored before: a zero plain if there was nothing.
func (w *written) over(old plain) plain {
	if w.value != nil {
		old.value, old.Binary = w.value, w.file
	}
	if w.author != nil {
		old.Author = *w.author
	}
	if w.description != nil {
		old.Description = *w.description
	}
	if w.labels != nil {
		old.Labels = w.labels
	}
	return old
}

// ends is when the secret ends that lives from now on; zero for never.
func (w *written) ends(now time.Time) time.Time {
	if w.life == nil || *w.life == 0 {
		return time.Time{}
	}
	return now.Add(*w.life).UTC()
}
