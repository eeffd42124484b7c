package httpapi

import (
	"io"
	"net/http"
	"time"
)

// A proxy that still sends a body when the connection is closed gets a reset and may never see the answer: nginx makes
// 502 of the 413, and takes the master for broken. So an answer that comes before the body was read goes out at once, and
// then a body of bearable size is read to its end and thrown away.
const (
	maxLinger  = 4 << 20 // bytes; also what scripts/nginx.conf passes on
	lingerTime = 5 * time.Second
	selfRead   = 256 << 10 // net/http reads the rest of shorter bodies by itself
)

// lingers reports whether the answer leaves a body behind that is worth reading. HTTP/2 needs none of this, and a client
// that waits for 100 sends none.
func (x *exchange) lingers(status int) bool {
	n := x.r.ContentLength
	return status >= http.StatusBadRequest && !x.peer && x.r.ProtoMajor == 1 && x.req.Body == nil && x.r.Header["Expect"] == nil &&
		(n < 0 || n > selfRead && n <= maxLinger)
}

// linger sends what was written and throws away what the client still sends, if there is a rest of that. The connection ends after it.
func (x *exchange) linger() {
	if x.rest == nil {
		return
	}
	_ = x.rest.Flush()
	_ = x.rest.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, x.r.Body, maxLinger)
}
