package rig

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// IndexHeader carries the commit index an answer stands on (reads: the index of the state it was read from).
const IndexHeader = "X-Gatehouse-Index"

// Client speaks to the API of any master. It follows no redirect and retries nothing.
type Client struct{ http *http.Client }

// NewClient makes a client whose requests take at most timeout.
func NewClient(timeout time.Duration) *Client { return NewTLSClient(timeout, nil) }

// NewTLSClient is NewClient for https. It speaks HTTP/2 if config offers it.
func NewTLSClient(timeout time.Duration, config *tls.Config) *Client {
	transport := &http.Transport{
		TLSClientConfig:     config,
		ForceAttemptHTTP2:   config != nil && slices.Contains(config.NextProtos, "h2"),
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
		DisableCompression:  true,
	}
	return &Client{http: &http.Client{
		Timeout:       timeout,
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// NewClientOf makes a client that sends its requests in a way of its own.
func NewClientOf(h *http.Client) *Client { return &Client{http: h} }

// Close drops the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one call. Body is encoded as JSON unless it is nil or already []byte.
type Request struct {
	Method, URL, Token string
	Body               any
	Header             map[string]string
}

// Answer is what came back. Code is the error code of the contract's error body, or "".
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Index  uint64
	Code   string
}

// Do sends the request. An error means that no complete answer arrived: whether the request took effect is unknown.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	request, err := r.build(ctx)
	if err != nil {
		return Answer{}, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: read the answer: %w", r.Method, r.URL, err)
	}
	index, _ := strconv.ParseUint(response.Header.Get(IndexHeader), 10, 64)
	return Answer{response.StatusCode, response.Header, body, index, errorCode(response.StatusCode, body)}, nil
}

func (r Request) build(ctx context.Context) (*http.Request, error) {
	body, err := encodeBody(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: encode the body: %w", r.Method, r.URL, err)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.Token != "" {
		request.Header.Set("Authorization", "token="+r.Token)
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	return request, nil
}

func encodeBody(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	}
	return json.Marshal(body)
}

func errorCode(status int, body []byte) string {
	if status < 400 {
		return ""
	}
	var e struct{ Code string }
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	return e.Code
}

// Expect is Do for callers that accept exactly one status.
func (c *Client) Expect(ctx context.Context, status int, r Request) (Answer, error) {
	answer, err := c.Do(ctx, r)
	if err != nil {
		return answer, err
	}
	if answer.Status != status {
		return answer, fmt.Errorf("%s %s: got %d %s, want %d", r.Method, r.URL, answer.Status, answer.Body, status)
	}
	return answer, nil
}

// Login answers the token that uid gets for its password from the master at api.
func (c *Client) Login(ctx context.Context, api, uid, password string) (string, error) {
	return c.login(ctx, api, map[string]string{"uid": uid, "password": password})
}

// LoginService answers the token that a service account gets for its signed service login token.
func (c *Client) LoginService(ctx context.Context, api, uid, signed string) (string, error) {
	return c.login(ctx, api, map[string]string{"uid": uid, "token": signed})
}

func (c *Client) login(ctx context.Context, api string, body map[string]string) (string, error) {
	answer, err := c.Expect(ctx, http.StatusOK, Request{Method: http.MethodPost, URL: api + "/acs/api/v1/auth/login", Body: body})
	if err != nil {
		return "", err
	}
	var login struct{ Token string }
	if err := json.Unmarshal(answer.Body, &login); err != nil {
		return "", fmt.Errorf("login at %s: decode the answer: %w", api, err)
	}
	return login.Token, nil
}

// MasterInfo is one row of GET /gatehouse/v1/masters (contract 9, decision 21).
type MasterInfo struct {
	ID, Name, API, Peer, State, Version string
	Leader                              bool
	Level                               int
	AppliedIndex                        uint64 `json:"applied_index"`
}

// Masters answers how the master at api sees the cluster.
func (c *Client) Masters(ctx context.Context, api, token string) ([]MasterInfo, error) {
	answer, err := c.Expect(ctx, http.StatusOK, Request{Method: http.MethodGet, URL: api + "/gatehouse/v1/masters", Token: token})
	if err != nil {
		return nil, err
	}
	var list struct{ Array []MasterInfo }
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		return nil, fmt.Errorf("masters at %s: decode the answer: %w", api, err)
	}
	return list.Array, nil
}
