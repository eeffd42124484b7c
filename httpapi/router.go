package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/julienschmidt/httprouter"
)

// iamPrefix is the base path of the IAM API (contract 0.1).
const iamPrefix = "/acs/api/v1"

// router finds rows by method and escaped path. It never redirects and never changes a request: a 307 would replay a
// password to another host (hostile H19).
type router struct {
	tree    *httprouter.Router
	methods []string
}

// match receives the row that a look-up finds: httprouter stores handlers, ours write the row here.
type match struct {
	http.ResponseWriter
	row *row
}

// newRouter makes a router of the rows. httprouter panics on rows that contradict each other; that becomes an error.
func newRouter(rows []*row) (rt *router, err error) {
	rt = &router{tree: &httprouter.Router{}}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("build the table of routes: %v", p)
		}
	}()
	for _, r := range rows {
		rt.tree.Handle(r.Method, r.Path, func(w http.ResponseWriter, _ *http.Request, _ httprouter.Params) {
			w.(*match).row = r
		})
		if r.Method != AnyMethod && !slices.Contains(rt.methods, r.Method) {
			rt.methods = append(rt.methods, r.Method)
		}
	}
	slices.Sort(rt.methods)
	return rt, nil
}

// find returns the row for a method, HEAD counting as GET, and the decoded parameters; nil when there is none.
func (rt *router) find(method, path string) (*row, httprouter.Params) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	handle, params, _ := rt.tree.Lookup(method, path)
	if handle == nil {
		handle, params, _ = rt.tree.Lookup(AnyMethod, path)
	}
	if handle == nil || !decodeParams(params) {
		return nil, nil
	}
	var m match
	handle(&m, nil, params)
	return m.row, params
}

// allowed returns the value of Allow for a path, "" when no method knows it.
func (rt *router) allowed(path string) string {
	var methods []string
	for _, method := range rt.methods {
		if row, _ := rt.find(method, path); row == nil {
			continue
		}
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	if methods == nil {
		return ""
	}
	methods = append(methods, http.MethodOptions)
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// routePath returns the path exactly as it was sent, less one trailing slash under the IAM prefix (contract 0.1). RawPath is
// preferred to EscapedPath, which spells a path anew when it holds an unusual character, and so turns %2F into a separator.
func routePath(u *url.URL) string {
	path := u.RawPath
	if path == "" {
		path = u.EscapedPath()
	}
	if strings.HasPrefix(path, iamPrefix+"/") {
		return strings.TrimSuffix(path, "/")
	}
	return path
}

// decodeParams percent-decodes every parameter exactly once, in place. It reports false for what is no route: an empty
// parameter, a malformed escape, bytes that are no UTF-8 (records cannot hold them: two of them would become one; the path of a
// secret is judged as a whole later, see Route.Grants), and a slash in a rid that was not doubly encoded (contract 0.6), so that
// no two spellings of one path differ in nothing but the encoding of a slash (hostile P2).
func decodeParams(params httprouter.Params) bool {
	for i := range params {
		p := &params[i]
		if strings.IndexByte(p.Value, '%') >= 0 {
			decoded, err := url.PathUnescape(p.Value)
			if err != nil {
				return false
			}
			p.Value = decoded
		}
		if p.Key == "rid" {
			if strings.IndexByte(p.Value, '/') >= 0 {
				return false
			}
			p.Value = ridSlashes.Replace(p.Value)
		}
		if p.Value == "" || p.Key != "path" && !utf8.ValidString(p.Value) {
			return false
		}
	}
	return true
}

// ridSlashes is the second half of the double encoding of slashes in a rid; nothing else is decoded twice.
var ridSlashes = strings.NewReplacer("%2F", "/", "%2f", "/")

// kindOf says to which surface a path belongs. 0 is what every listener serves: operations. What is not told apart belongs to
// the IAM, like the well-known paths of DC/OS.
func kindOf(r *Route) Kind {
	switch {
	case r.Access == Internal:
		return KindAdmin
	case strings.HasPrefix(r.Path, iamPrefix+"/internal/"):
		return KindInternal | KindIAM
	case strings.HasPrefix(r.Path, secretsPrefix), strings.HasPrefix(r.Path, "/gatehouse/v1/secrets/"):
		return KindSecrets
	case strings.HasPrefix(r.Path, "/gatehouse/"), r.Path == "/metrics":
		return 0
	}
	return KindIAM
}

// canonicalPath renders a row's path with its decoded parameters: one spelling for all that mean the same. It is what an
// Idempotency-Key is bound to, and what audit records show.
func canonicalPath(r *Route, params httprouter.Params) string {
	if len(params) == 0 {
		return r.Path
	}
	var b strings.Builder
	i := 0
	for part := range strings.SplitSeq(r.Path[1:], "/") {
		b.WriteByte('/')
		switch {
		case part != "" && part[0] == ':':
			b.WriteString(url.PathEscape(params[i].Value))
			i++
		case part != "" && part[0] == '*':
			b.WriteString(strings.TrimPrefix(params[i].Value, "/"))
			i++
		default:
			b.WriteString(part)
		}
	}
	return b.String()
}
