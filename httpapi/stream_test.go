package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const listPath = iamPrefix + "/lists/"

// entry is an element of a test list; its text needs care.
type entry struct {
	ID   int      `json:"id"`
	Text string   `json:"text"`
	Tags []string `json:"tags"`
	None []int    `json:"none"`
}

func entryOf(i int) entry {
	return entry{ID: i, Text: "<\"é\u2028\n>", Tags: []string{"a", strconv.Itoa(i)}, None: []int{}}
}

// lister serves lists of entries, and counts how many were asked for.
type lister struct {
	taken atomic.Int64
	ended chan struct{}
}

func (l *lister) row() Route {
	return Route{ID: "list", Method: "GET", Path: listPath + ":n", Access: Public, Mode: Local, BodyLimit: NoBody, Handle: l.list}
}

// list answers with n entries; ?form=body in the old way, ?fail=N and ?panic=N end it in the N-th.
func (l *lister) list(_ context.Context, r *Request) (*Response, error) {
	n, _ := strconv.Atoi(r.Param("n"))
	if r.Query.Get("form") == "body" {
		return &Response{Body: struct {
			Array []entry `json:"array"`
		}{slices.AppendSeq([]entry{}, l.entries(n, -1))}}, nil
	}
	fail, panics := number(r, "fail"), number(r, "panic")
	stream := StreamArray(l.entries(n, panics))
	return &Response{Stream: func(w io.Writer) error {
		defer func() { l.ended <- struct{}{} }()
		if fail < 0 {
			return stream(w)
		}
		if err := StreamArray(l.entries(fail, -1))(w); err != nil {
			return err
		}
		return errors.New("planted")
	}}, nil
}

func number(r *Request, name string) int {
	if n, err := strconv.Atoi(r.Query.Get(name)); err == nil {
		return n
	}
	return -1
}

func (l *lister) entries(n, panics int) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range n {
			if i == panics {
				panic("planted")
			}
			l.taken.Add(1)
			if !yield(entryOf(i)) {
				return
			}
		}
	}
}

// newLister is one master with the list.
func newLister(t *testing.T) (*testMaster, *lister) {
	t.Helper()
	l := &lister{ended: make(chan struct{}, 100)}
	b := newBed(t, 1, func(o *Options) { o.Routes = append(o.Routes, l.row()) })
	return b.members[0], l
}

func TestAStreamedListIsToTheByteWhatABodyIs(t *testing.T) {
	m, _ := newLister(t)
	for _, n := range []string{"0", "1", "2", "300", "5000"} {
		want, got := m.call("GET", listPath+n+"?form=body", "", ""), m.call("GET", listPath+n, "", "")
		expect(t, n+" entries", got, http.StatusOK)
		if got.body != want.body {
			t.Errorf("%s entries: got %d bytes that begin with %.200q, want %d that begin with %.200q", n, len(got.body), got.body, len(want.body), want.body)
		}
		if got, want := got.header.Get("Content-Type"), want.header.Get("Content-Type"); got != want {
			t.Errorf("%s entries: Content-Type %q, want %q", n, got, want)
		}
		if length := got.header.Get("Content-Length"); (length == strconv.Itoa(len(got.body))) != (len(got.body) <= streamHeld) {
			t.Errorf("%s entries: Content-Length %q of %d bytes", n, length, len(got.body))
		}
	}
}

func TestListsOfSeveralMembersAreRenderedAsOneObject(t *testing.T) {
	body := struct {
		Users  []entry `json:"users"`
		Groups []entry `json:"groups"`
		Others []entry `json:"others"`
	}{[]entry{}, []entry{entryOf(1), entryOf(2)}, []entry{entryOf(3)}}
	r := renderers.Get().(*renderer)
	defer r.release()
	want, err := r.render(body, iamStyle)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	err = StreamLists(ListOf("users", slices.Values(body.Users)), ListOf("groups", slices.Values(body.Groups)), ListOf("others", slices.Values(body.Others)))(&got)
	if err != nil || got.String() != string(want) {
		t.Errorf("got %s %v, want %s", got.String(), err, want)
	}
}

func TestHeadOfALongListMakesLittleOfIt(t *testing.T) {
	m, l := newLister(t)
	short, long := m.call("HEAD", listPath+"2", "", ""), m.call("HEAD", listPath+"1000000", "", "")
	for what, got := range map[string]answer{"short": short, "long": long} {
		expect(t, what, got, http.StatusOK)
		if got.body != "" || got.header.Get("Content-Type") != jsonContentType {
			t.Errorf("%s: body %q, Content-Type %q", what, got.body, got.header.Get("Content-Type"))
		}
	}
	if want := strconv.Itoa(len(m.call("GET", listPath+"2", "", "").body)); short.header.Get("Content-Length") != want {
		t.Errorf("short: Content-Length %q, want %s", short.header.Get("Content-Length"), want)
	}
	if n := l.taken.Load(); n > 2000 {
		t.Errorf("%d entries were made for two HEADs", n)
	}
}

func TestAClientOfHTTP10ReadsAStreamUntilTheEnd(t *testing.T) {
	m, _ := newLister(t)
	want := m.call("GET", listPath+"3000", "", "").body
	conn, err := net.Dial("tcp", m.api.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+listPath+"3000 HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil || string(got) != want {
		t.Errorf("got %d bytes %v, want %d", len(got), err, len(want))
	}
	if len(resp.TransferEncoding) > 0 {
		t.Errorf("Transfer-Encoding %v to HTTP/1.0", resp.TransferEncoding)
	}
}

// brokenOff gets a list that fails, and returns how much came of it.
func brokenOff(t *testing.T, m *testMaster, target string) int {
	t.Helper()
	resp, err := m.transport.RoundTrip(mustRequest(t, m.api.URL+target))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		t.Errorf("%s: %d bytes with status %d passed for a whole answer", target, len(body), resp.StatusCode)
	}
	return len(body)
}

func mustRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAStreamThatFailsIsBrokenOff(t *testing.T) {
	for _, over := range []protocol{plainHTTP, overHTTP2} {
		for how, message := range map[string]string{"fail": "answer broken off", "panic": "request panicked"} {
			l := &lister{ended: make(chan struct{}, 100)}
			m := newBedOver(t, over, 1, func(o *Options) { o.Routes = append(o.Routes, l.row()) }).members[0]
			if n := brokenOff(t, m, listPath+"9000?"+how+"=5000"); n == 0 {
				t.Errorf("%s: nothing arrived before the end", how)
			}
			eventually(t, how+" is counted as 500", func() bool {
				return strings.Contains(m.call("GET", "/metrics", "", "").body, `gatehouse_http_requests_total{method="GET",route="list",status="500"} 1`)
			})
			if n := strings.Count(m.logs.String(), message); n != 1 {
				t.Errorf("%s: logged %d times: %s", how, n, m.logs.String())
			}
			expect(t, "the next request", m.call("GET", listPath+"1", "", ""), http.StatusOK)
		}
	}
}

func TestAStreamThatFailsEarlyIsAnOrdinaryError(t *testing.T) {
	m, _ := newLister(t)
	for _, how := range []string{"fail", "panic"} {
		got := m.call("GET", listPath+"9?"+how+"=3", "", "")
		expect(t, how, got, http.StatusInternalServerError)
		if strings.Contains(got.body, "array") || strings.Contains(got.body, "planted") {
			t.Errorf("%s: %s", how, got.body)
		}
	}
}

func TestAStreamMakesNoMoreThanItsReaderTakes(t *testing.T) {
	m, l := newLister(t)
	resp, err := m.transport.RoundTrip(mustRequest(t, m.api.URL+listPath+"1000000000"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close() // the client leaves
	select {
	case <-l.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the answer goes on without its reader")
	}
	// What the kernel holds for the connection is made too; a million entries would be 100 MB.
	if n := l.taken.Load(); n > 1_000_000 {
		t.Errorf("%d entries were made for a reader of a few thousand", n)
	}
	eventually(t, "a reader that left is counted as such", func() bool {
		return strings.Contains(m.call("GET", "/metrics", "", "").body, `gatehouse_http_requests_total{method="GET",route="list",status="499"} 1`)
	})
	if log := m.logs.String(); strings.Contains(log, "broken off") {
		t.Errorf("a client that left is logged as an error: %s", log)
	}
}

// eventually polls until it is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
