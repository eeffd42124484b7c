package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const (
	// maxCode is the longest login code in bytes.
	maxCode = 4 << 10
	// maxCodes is how many codes one login tries. All but one of them are of pages and programs that have no business here.
	maxCodes = 10
	// closePatience is how long browsers have to take their pages. Only one that is slower, or holds a connection open, takes as long.
	closePatience = 5 * time.Second
)

// codeListener waits on a loopback port for the request with which a browser ends a login.
type codeListener struct {
	port    int
	host    string
	origins []string // of pages that may send a browser here
	server  *http.Server
	codes   chan broughtCode
	closed  chan struct{}
}

// broughtCode is a code and where to say whether it was good; a browser waits for that, or for the end of the listener.
type broughtCode struct {
	code string
	good chan<- bool
}

// listenForCode opens a port that nobody else has, on loopback only. The cluster is where logins come from.
func listenForCode(cluster string) (*codeListener, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	host := ln.Addr().String()
	l := &codeListener{port: ln.Addr().(*net.TCPAddr).Port, host: host, origins: []string{"null", "http://" + host},
		codes: make(chan broughtCode, maxCodes), closed: make(chan struct{})}
	if u, err := url.Parse(cluster); err == nil {
		l.origins = append(l.origins, u.Scheme+"://"+u.Host)
	}
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: loginPatience, MaxHeaderBytes: 32 << 10}
	go func() { _ = l.server.Serve(ln) }()
	return l, nil
}

// ServeHTTP takes codes. Requests by another name than the address are of pages that have a name point here, and are refused, as is
// everything else that is not a browser on its way from the login.
func (l *codeListener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	codes := r.URL.Query()["code"]
	switch {
	case r.Host != l.host, r.URL.Path != "/":
		loginPage{"Nothing here", "This address takes the end of one login."}.send(w, http.StatusNotFound)
	case !l.visit(r.Header):
		loginPage{"No login", "Only a browser that goes from page to page ends a login."}.send(w, http.StatusForbidden)
	case r.Method != http.MethodGet, len(codes) != 1, codes[0] == "", len(codes[0]) > maxCode:
		loginPage{"No login", "This is not the end of a login."}.send(w, http.StatusBadRequest)
	default:
		l.bring(w, r, codes[0])
	}
}

// visit reports whether a browser goes to a page, which a person sees. What a page loads or asks for behind a person's back is not that
// (https://www.w3.org/TR/fetch-metadata/); browsers that do not tell are believed.
func (l *codeListener) visit(h http.Header) bool {
	is := func(name string, good ...string) bool {
		return h.Values(name) == nil || len(h.Values(name)) == 1 && slices.Contains(good, h.Get(name))
	}
	return is("Sec-Fetch-Dest", "document") && is("Sec-Fetch-Mode", "navigate") && is("Origin", l.origins...)
}

// bring hands a code over, and tells the person what came of it. A browser that does not wait for that has brought it all the same.
func (l *codeListener) bring(w http.ResponseWriter, r *http.Request, code string) {
	good := make(chan bool, 1)
	select {
	case l.codes <- broughtCode{code, good}:
	default:
		loginPage{"Too many logins", "The command line has too many ends of a login to look at."}.send(w, http.StatusTooManyRequests)
		return
	}
	l.tell(w, r, good)
}

// tell waits for what came of a code, and says it.
func (l *codeListener) tell(w http.ResponseWriter, r *http.Request, good chan bool) {
	select {
	case ok := <-good:
		good <- ok
	case <-l.closed:
	case <-r.Context().Done():
		return
	}
	select { // the command line ends right after a good code, so both may be so
	case ok := <-good:
		if ok {
			loginPage{"Logged in", "You may close this window. The command line says who is logged in."}.send(w, http.StatusOK)
			return
		}
		loginPage{"Not logged in", "The cluster refused the end of this login. The command line goes on waiting: open the page that it names again."}.send(w, http.StatusUnauthorized)
	default:
		loginPage{"Too late", "The command line does not wait for a login any more."}.send(w, http.StatusGone)
	}
}

// next waits for the next code, until late.
func (l *codeListener) next(ctx context.Context, late <-chan time.Time) (broughtCode, error) {
	select {
	case brought := <-l.codes:
		return brought, nil
	case <-ctx.Done():
		return broughtCode{}, interrupted()
	case <-late:
		return broughtCode{}, fail(StatusLogin, fmt.Errorf("nobody has logged in within %v", loginPatience), "log in again, or use --paste")
	}
}

// close ends the listener once browsers have their pages.
func (l *codeListener) close() {
	close(l.closed)
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		_ = l.server.Close()
	}
}

// openBrowser opens a page in the browser of the person, if there is one: that of $BROWSER, else the desktop's. Whoever has none
// opens the page by hand.
func (a *app) openBrowser(page string) {
	first, _, _ := strings.Cut(a.env.Getenv["BROWSER"], ":")
	words := strings.Fields(cmp.Or(first, "xdg-open"))
	if len(words) == 0 {
		return
	}
	named := false
	for i, word := range words {
		if strings.Contains(word, "%s") {
			words[i], named = strings.ReplaceAll(word, "%s", page), true
		}
	}
	if !named {
		words = append(words, page)
	}
	cmd := exec.Command(words[0], words[1:]...)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}
