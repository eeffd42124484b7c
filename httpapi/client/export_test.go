package client

import (
	"net/http"
	"time"
)

// ErrorOf is how an answer becomes an error.
func ErrorOf(status int, header http.Header, body []byte) *Error {
	return errorOf(&Response{Status: status, Header: header, Body: body}, "/acs/api/v1/users", time.Now())
}

// LimitAnswers makes answers of more bytes too long.
func LimitAnswers(c *Client, bytes int) { c.maxAnswer = bytes }

// Transports are what a client sends its requests with.
func Transports(c *Client) []*http.Transport {
	return []*http.Transport{c.kept.Transport.(*http.Transport), c.fresh.Transport.(*http.Transport)}
}
