package client

import (
	"net/http"
	"time"
)

// ErrorOf is how an answer becomes an error.
func ErrorOf(status int, header http.Header, body []byte) *Error {
	return errorOf(&Response{Status: status, Header: header, Body: body}, time.Now())
}
