package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// maxCode is the longest login code in bytes.
const maxCode = 4 << 10

// codeListener waits on a loopback port for the one request with which a browser ends a login.
type codeListener struct {
	port   int
	host   string
	server *http.Server
	codes  chan string
}

// listenForCode opens a port that nobody else has, on loopback only.
func listenForCode() (*codeListener, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &codeListener{port: ln.Addr().(*net.TCPAddr).Port, host: ln.Addr().String(), codes: make(chan string, 1)}
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
	go func() { _ = l.server.Serve(ln) }()
	return l, nil
}

// ServeHTTP takes the first code. Requests by another name than the address are of pages that have a name point here, and are
// refused, as is everything that is not this one request.
func (l *codeListener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	codes := r.URL.Query()["code"]
	switch {
	case r.Host != l.host, r.URL.Path != "/":
		l.page(w, http.StatusNotFound, "Nothing here", "This address takes the end of one login.")
	case r.Method != http.MethodGet, len(codes) != 1, codes[0] == "", len(codes[0]) > maxCode:
		l.page(w, http.StatusBadRequest, "No login", "This is not the end of a login.")
	default:
		select {
		case l.codes <- codes[0]:
			l.page(w, http.StatusOK, "Almost done", "You may close this window. The command line says whether you are logged in.")
		default:
			l.page(w, http.StatusGone, "Too late", "The command line has the end of a login already.")
		}
	}
}

func (l *codeListener) page(w http.ResponseWriter, status int, title, text string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"+
		"<meta name=\"color-scheme\" content=\"light dark\"><title>%[1]s – Gatehouse</title></head><body><main><h1>%[1]s</h1><p>%[2]s</p></main></body></html>\n", title, text)
}

// wait waits for a code.
func (l *codeListener) wait(ctx context.Context, limit time.Duration) (string, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case code := <-l.codes:
		return code, nil
	case <-ctx.Done():
		return "", interrupted()
	case <-timer.C:
		return "", fail(StatusLogin, fmt.Errorf("nobody has logged in within %v", limit), "log in again, or use --paste")
	}
}

// close ends the listener once the browser has its page.
func (l *codeListener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
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
