package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of what is read, in bytes.
const (
	maxAnswer = 256 << 20 // a list of a million users
	maxError  = 64 << 10
)

// Request is one call of the API.
type Request struct {
	// Method is GET, PUT, PATCH, POST or DELETE.
	Method string
	// Path is below the base URL, escaped where it has to be: /acs/api/v1/users/alice.
	Path  string
	Query url.Values
	// Header are further headers. They replace those that the package sets: Content-Type and Accept are application/json otherwise.
	Header http.Header
	// Body is sent as JSON; []byte is sent as it is, and nil is no body.
	Body any
	// Into is what the JSON of the answer is decoded into, unless it is nil.
	Into any
	// IdempotencyKey makes a repetition of a change harmless. Routes that are known to accept one get a random one, unless the body has a
	// password. Set it to go on with a change after a restart, or for other routes. Routes that refuse one answer 400.
	IdempotencyKey string
	// Public requests are sent without a token.
	Public bool
	// Once asks every address at most once and waits for none.
	Once bool

	// answered says which refusals are answers, too.
	answered func(*Response) bool
	// directory allows Path to end in a slash.
	directory bool
	// wait is how long a master may keep the request open, beyond what it needs otherwise.
	wait time.Duration
}

// Response is the answer to a Request that succeeded.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Index is the log index of the change, or of the state that was read; 0 when the answer has none.
	Index uint64
	// RequestID is how the master's log names the request.
	RequestID string
	// Address is the base URL that answered.
	Address string
}

// Do sends a request and repeats it as long as that is right; the package comment has the rules. An answer of 300 or more is an
// *Error. When it is unknown whether a change took effect, OutcomeUnknown is true for the error.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	x, err := c.prepare(r)
	if err == nil {
		var answer *Response
		if answer, err = x.run(ctx); err == nil {
			return answer, nil
		}
	}
	return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
}

// call is a Request under way.
type call struct {
	*Client
	Request
	content    []byte
	repeat     repetition
	patience   time.Duration
	candidates []string
	// doubt says that an earlier attempt may have taken effect.
	doubt bool
}

func (c *Client) prepare(r Request) (*call, error) {
	path := r.Path
	if r.directory {
		path = strings.TrimSuffix(path, "/")
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	x := &call{Client: c, Request: r, patience: c.options.Patience, candidates: c.addresses.order()}
	if r.Once {
		x.patience = -1
	}
	var err error
	switch body := r.Body.(type) {
	case nil:
	case []byte:
		x.content = body
	default:
		if x.content, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode the body: %w", err)
		}
	}
	x.repeat = x.mayRepeat()
	if x.IdempotencyKey == "" && x.repeat == keyed {
		x.IdempotencyKey = newKey()
	}
	return x, nil
}

// checkPath refuses paths that mean something else on their way or at their end: an empty id would ask for the collection.
func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return errors.New("the path must begin with a slash")
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("the path has the segment %q: an id must not be that", segment)
		}
	}
	return nil
}

// attempt sends the request once, to one address. Its error is a *loginError, a *transportError, errTooLong, or one of the caller's making.
func (x *call) attempt(ctx context.Context, address string) (answer *Response, token string, err error) {
	if !x.Public {
		if token, err = x.Token(ctx); err != nil {
			return nil, "", &loginError{err}
		}
	}
	limit := x.attemptTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	var sent atomic.Bool // and never unset: a transport that tries again by itself may fail harmlessly the second time
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	request, err := x.build(ctx, address, token)
	if err != nil {
		return nil, "", err
	}
	answer, err = x.exchange(request, address)
	switch {
	case errors.Is(err, errTooLong):
		return nil, token, err // it would be as long the next time
	case err != nil:
		return nil, token, &transportError{explain(ctx, err), sent.Load()}
	}
	return answer, token, nil
}

// explain leaves out what the caller of Do knows, and tells the end of an attempt from the end of the caller's context.
func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// endurance is how long an attempt may take that cannot be repeated: masters give up a change after 20 s.
const endurance = 25 * time.Second

func (x *call) attemptTimeout() time.Duration {
	if x.repeat == never {
		return max(endurance, x.options.AttemptTimeout) + x.wait
	}
	return x.options.AttemptTimeout + x.wait
}

func (x *call) build(ctx context.Context, address, token string) (*http.Request, error) {
	target := address + x.Path
	if len(x.Query) > 0 {
		target += "?" + x.Query.Encode()
	}
	var body io.Reader // nil and not an empty reader: that would be a body of unknown length
	if len(x.content) > 0 {
		body = bytes.NewReader(x.content)
	}
	request, err := http.NewRequestWithContext(ctx, x.Method, target, body)
	if err != nil {
		return nil, err
	}
	set := func(name, value string) {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	set("Accept", "application/json")
	set("User-Agent", x.options.UserAgent)
	set("Idempotency-Key", x.IdempotencyKey)
	if body != nil {
		set("Content-Type", "application/json")
	}
	maps.Copy(request.Header, x.Header)
	if token != "" {
		set("Authorization", "token="+token)
	}
	return request, nil
}

func (x *call) exchange(request *http.Request, address string) (*Response, error) {
	client := x.kept
	if x.repeat == never {
		client = x.fresh
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer := &Response{Status: response.StatusCode, Header: response.Header, Address: address,
		RequestID: response.Header.Get("X-Gatehouse-Request-Id")}
	answer.Index, _ = strconv.ParseUint(response.Header.Get("X-Gatehouse-Index"), 10, 64)
	if answer.Body, err = readBody(response, x.maxAnswer); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return answer, nil
}

// errTooLong says that an answer is longer than anything a master answers.
var errTooLong = errors.New("too long")

// readBody reads what there is of a refusal, and all of an answer.
func readBody(response *http.Response, maxAnswer int) ([]byte, error) {
	if response.StatusCode >= 300 {
		return io.ReadAll(io.LimitReader(response.Body, maxError))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(maxAnswer)+1))
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLong, maxAnswer)
	}
	return body, err
}

// decode fills Into.
func (x *call) decode(answer *Response) error {
	if x.Into == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, x.Into); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", answer.Address, err)
	}
	return nil
}

// isReport recognizes a health report, whose status may be 503. A balancer without masters answers 503, too.
func isReport(answer *Response) bool {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	var report struct{ Healthy *bool }
	return kind == "application/json" && json.Unmarshal(answer.Body, &report) == nil && report.Healthy != nil
}
