package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// requestLimit is how long one request may take before its connection is given up.
const requestLimit = 30 * time.Second

// conn is one persistent HTTP/1.1 connection. It belongs to one goroutine.
type conn struct {
	base *url.URL
	tls  *tls.Config // for https
	net  net.Conn
	in   *bufio.Reader
	body []byte // of the last answer, valid until the next one
}

func newConn(base *url.URL, config *tls.Config) *conn { return &conn{base: base, tls: config} }

// exchange sends a complete request and reads the answer's status and body. An error costs the connection; the next
// exchange opens a new one.
func (c *conn) exchange(request []byte) (status int, err error) {
	if c.net == nil {
		if err := c.dial(); err != nil {
			return 0, err
		}
	}
	status, keep, err := c.send(request)
	if err != nil || !keep {
		c.close()
	}
	return status, err
}

func (c *conn) send(request []byte) (status int, keep bool, err error) {
	if err := c.net.SetDeadline(time.Now().Add(requestLimit)); err != nil {
		return 0, false, err
	}
	if _, err := c.net.Write(request); err != nil {
		return 0, false, err
	}
	return c.readAnswer()
}

func (c *conn) dial() error {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	var opened net.Conn
	var err error
	switch c.base.Scheme {
	case "http":
		opened, err = dialer.Dial("tcp", hostPort(c.base, "80"))
	case "https":
		opened, err = tls.DialWithDialer(dialer, "tcp", hostPort(c.base, "443"), c.tls)
	default:
		err = fmt.Errorf("%s: only http and https are known", c.base)
	}
	if err != nil {
		return err
	}
	c.net = opened
	c.in = bufio.NewReaderSize(opened, 16<<10)
	return nil
}

func hostPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func (c *conn) close() {
	if c.net != nil {
		c.net.Close()
		c.net = nil
	}
}

var errAnswer = errors.New("malformed HTTP/1.1 answer")
