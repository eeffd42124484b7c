// Package client speaks to a Gatehouse cluster from Go programs: it logs in, keeps its token fresh, finds a master that serves, and
// repeats a request exactly when that is right. It imports nothing of the server.
//
//	client.go       Options and Client
//	types.go        what the API speaks of; access_types.go the rest of it
//	typed.go        one method for each thing that can be asked of users, keys and masters
//	access.go       the same for groups, resources, permissions and decisions
//	request.go      Do: one request as it is sent and read
//	routes.go       which requests may be repeated, and which get a key for that
//	retry.go        what an answer means, and whether the request is sent again
//	addresses.go    which master is asked first
//	transport.go    connections: no proxy, no redirect, no cookie
//	login.go        getting a token, once for all who wait
//	token.go        when a token is renewed, and when it must not be used
//	credentials.go  who logs in: a password, a service key, a login secret
//	secret.go       the login secret that services find in their environment (contract 6.8)
//	jwks.go         verifying a token without asking anybody
//	errors.go       what callers can tell apart
//
// # Repetitions
//
// A change whose connection breaks may or may not have happened. There are three kinds of requests:
//
//   - Reads, logins and revocations may be repeated whenever they fail.
//   - Changes whose route accepts an Idempotency-Key get a random one, the same for all repetitions, and the masters apply them once.
//     They may be repeated, too.
//   - Other changes (PrepareKey, those that send a password, and routes that this package does not know) are repeated only when certainly nothing has happened: no
//     connection came about, or a master says so (ERR_NO_LEADER, ERR_LEADER_CHANGED, ERR_BUSY, 429). They get a connection of their own, so
//     that no kept connection turns out to be dead under them.
//
// Repetitions go round the addresses, then pause for as long as the masters ask, or up to two seconds. They end with Options.Patience or
// with the context. If it is still open then whether a change took effect, OutcomeUnknown is true for the error; that does not happen
// as long as some master serves within that time.
//
// # What net/http does by itself
//
// An http.Transport sends a request again, without telling, when a kept connection breaks before the answer and the request is a GET, or
// has an Idempotency-Key and a body that can be had again. That is what this package would do, and it is harmless for the same reasons. But
// the error of the second try must not be mistaken for that of the first: "connection refused" after a request that arrived. So what counts is
// whether any try has written its headers.
//
// # Tokens
//
// The first request that needs a token logs in. The token is renewed in the background in the last tenth of its life, at a moment that chance
// decides. A 401 leads to one login, shared by all requests that were refused, and to one repetition. The time in a token counts by
// this machine's clock unless that is wrong by more than seconds; then its life counts, from when it was received.
package client
