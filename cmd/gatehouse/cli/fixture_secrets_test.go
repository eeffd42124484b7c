package cli

import (
	"net/http"
	"strings"
	"time"
)

// stored answers with a version of a secret, in a body of that kind.
func stored(kind, version, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Gatehouse-Version", version)
		w.Header().Set("ETag", `"`+version+`.17"`)
		if body == "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(body))
	}
}

const (
	asText = "application/json"
	asFile = "application/octet-stream"
)

// addSecrets adds a store of secrets that is open, one that is sealed, and secrets.
func addSecrets(m *master) {
	day := 24 * time.Hour
	text := `{"value":"hunter2","author":"alice","created":"2026-03-01T12:00:00Z","description":"The database \u001b[2J","labels":["db"]}`
	details := func(name string, sealed bool) map[string]any {
		return map[string]any{"name": name, "description": "DC/OS Default Secret Store Backend", "driver": "vault", "created": noon.Add(-3 * day), "initialized": true, "sealed": sealed,
			"epoch": 4, "shares": 5, "threshold": 3, "max_versions": 10, "undelete": "168h0m0s", "auto_unseal": "key-file", "terms": []int{1, 2}, "secrets": 7, "deleted": 1, "versions": 12, "bytes": 4711}
	}
	for request, answer := range map[string]any{
		"PUT /secrets/v1/secret/default/prod/new":              stored(asText, "1", "{}"),
		"GET /secrets/v1/secret/default/prod/db":               stored(asText, "3", text),
		"HEAD /secrets/v1/secret/default/prod/db":              stored(asText, "3", text),
		"GET /secrets/v1/secret/default/prod/db?version=2":     stored(asText, "2", strings.Replace(text, "hunter2", "before\\n", 1)),
		"GET /secrets/v1/secret/default/prod/p12":              stored(asFile, "1", "\x00\xff\n"),
		"GET /secrets/v1/secret/default/prod/escape":           stored(asText, "1", `{"value":"\u001b[2J"}`),
		"GET /secrets/v1/secret/default/nope":                  no{404, `{"title":"404 Not Found","description":"There is no secret.","code":"ERR_UNKNOWN_SECRET"}`},
		"GET /secrets/v1/secret/sealed/a":                      no{503, `{"title":"503 Service Unavailable","description":"The store is sealed.","code":"ERR_STORE_SEALED"}`},
		"PATCH /secrets/v1/secret/default/prod/db":             stored(asText, "4", ""),
		"PATCH /secrets/v1/secret/default/prod/db?ttl=24h0m0s": stored(asText, "4", ""),
		"DELETE /secrets/v1/secret/default/prod/db":            nil,
		"GET /secrets/v1/secret/default/?list=true":            list("prod/db", "prod/p12", "top\x1b[2J"),
		"GET /secrets/v1/secret/default/prod?list=true":        list("db", "p12", "tls/ca"),
		"POST /gatehouse/v1/secrets/default/undelete/prod/old": nil,
		"POST /gatehouse/v1/secrets/default/purge/prod/db":     nil,
		"GET /gatehouse/v1/secrets/default/deleted/":           list(map[string]any{"path": "prod/old", "version": 2, "until": noon.Add(6 * day)}),
		"GET /gatehouse/v1/secrets/default/versions/prod/db": map[string]any{"path": "prod/db", "ends": noon.Add(day), "array": []any{
			map[string]any{"version": 3, "etag": `"3.17"`, "created": noon.Add(-day), "bytes": 77}, map[string]any{"version": 2, "etag": `"2.11"`, "created": noon.Add(-2 * day), "bytes": 123456}}},
		"GET /gatehouse/v1/secrets/default/versions/prod/old": map[string]any{"path": "prod/old", "deleted": true, "ends": noon.Add(6 * day), "array": []any{
			map[string]any{"version": 2, "etag": `"2.9"`, "created": noon.Add(-day), "bytes": 77}}},
		"GET /gatehouse/v1/secrets/default/space?path=prod%2Fdb&service=%2Fprod%2Fshop": map[string]bool{"readable": true},
		"GET /gatehouse/v1/secrets/default/space?path=prod%2Fdb&service=%2Ftest":        map[string]bool{"readable": false},
		"GET /secrets/v1/store":             list(map[string]any{"name": "sealed", "driver": "vault", "initialized": true, "sealed": true}, map[string]any{"name": "open", "driver": "vault", "initialized": true}),
		"GET /gatehouse/v1/secrets/default": details("default", false), "GET /gatehouse/v1/secrets/open": details("open", false), "GET /gatehouse/v1/secrets/sealed": details("sealed", true),
		"PUT /secrets/v1/store/payments": stored(asText, "", "{}"), "PATCH /gatehouse/v1/secrets/default": nil, "DELETE /secrets/v1/store/payments": nil,
		"GET /secrets/v1/init/default":               map[string]any{"initialized": true, "keys": []string{}, "pgp_fingerprints": []string{}},
		"PUT /secrets/v1/init/default":               map[string]any{"initialized": true, "keys": []string{"c1aa", "c1bb"}, "pgp_fingerprints": []string{"f1aa", "f1bb"}, "root_token": "x"},
		"GET /secrets/v1/seal-status/open":           map[string]any{"sealed": false, "threshold": 3, "shares": 5, "progress": 0},
		"GET /secrets/v1/seal-status/sealed":         map[string]any{"sealed": true, "threshold": 3, "shares": 5, "progress": 2, "nonce": "n1"},
		"GET /secrets/v1/seal-status/default":        map[string]any{"sealed": true, "threshold": 1, "shares": 1, "progress": 0},
		"PUT /secrets/v1/unseal/default":             map[string]any{"sealed": false, "threshold": 1, "shares": 1, "progress": 0, "unreached": []string{"m3"}},
		"PUT /secrets/v1/auto-unseal/default":        map[string]any{"sealed": false, "threshold": 1, "shares": 1, "progress": 0},
		"PUT /secrets/v1/seal/default":               nil,
		"GET /gatehouse/v1/secrets/default/rekey":    map[string]any{"stage": "shares", "nonce": "n2", "shares": 3, "threshold": 2, "progress": 1, "required": 2, "pgp_fingerprints": []string{}},
		"DELETE /gatehouse/v1/secrets/default/rekey": nil,
		"POST /gatehouse/v1/secrets/default/rotate":  map[string]any{"term": 3},
	} {
		m.answer(request, answer)
	}
}
