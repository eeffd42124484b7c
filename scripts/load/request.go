package main

import (
	"net/url"
	"strconv"
)

// request is what a scenario asks for; template turns it into bytes once, or append does for every request anew.
type request struct {
	method, path, token string
	body                []byte
	header              []string // "Name: value"
}

// append appends the request to buf as it goes over the wire.
func (r request) append(buf []byte, base *url.URL) []byte {
	buf = append(buf, r.method...)
	buf = append(buf, ' ')
	buf = append(buf, r.path...)
	buf = append(buf, " HTTP/1.1\r\nHost: "...)
	buf = append(buf, base.Host...)
	if r.token != "" {
		buf = append(buf, "\r\nAuthorization: token="...)
		buf = append(buf, r.token...)
	}
	for _, line := range r.header {
		buf = append(buf, "\r\n"...)
		buf = append(buf, line...)
	}
	if len(r.body) > 0 {
		buf = append(buf, "\r\nContent-Type: application/json\r\nContent-Length: "...)
		buf = strconv.AppendInt(buf, int64(len(r.body)), 10)
	} else if r.method != "GET" {
		buf = append(buf, "\r\nContent-Length: 0"...)
	}
	buf = append(buf, "\r\n\r\n"...)
	return append(buf, r.body...)
}
