// Package httpapi is the one way into a master: every request of every API goes through the funnel of this package.
//
// A route is one row of a table (route.go): who may call it, whether the leader or any master answers it, how large its
// body may be, which members the body may have, and a handler. The funnel does, in this order and for every row:
//
//	request id, panic guard     exchange.go    one exchange per request; a panic is one client's 500
//	Accept                      accept.go      406 before anything else, as the original did (contract 0.1)
//	route                       router.go      on the escaped path; parameters are decoded exactly once; nothing redirects
//	credential                  credential.go  one documented grammar; cookie-authenticated changes pass the cross-origin check
//	body                        body.go        read completely, within the row's limit, before anything acts on it
//	forward                     forward.go     the buffered request goes to the leader when the row wants the leader
//	basis                       basis.go       one immutable State that is recent enough for the row (docs/design.md)
//	authenticate, authorize     authn.go       from that State: one right per access, and who may not ask is told nothing else
//	JSON                        json*.go       strict: hostile documents die here and not in a decoder
//	handler                     funnel.go      parse, decide, submit or read, return a value
//	errors                      errors.go      one table from fault code to status and title
//	audit, metrics              audit.go, metrics.go
//
// Handlers never see a ResponseWriter and never know whether the request came from a client or from another master.
package httpapi
