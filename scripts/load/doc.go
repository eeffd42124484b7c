// Command load puts load on an HTTP service from a number of persistent connections and prints rate, latencies and
// failures. It has scenarios for the API of Gatehouse and one, raw, for anything else:
//
//	go run ./scripts/load -url http://127.0.0.1:8101,http://127.0.0.1:8111 -scenario get-user -connections 64
//	go run ./scripts/load -url http://127.0.0.1:8080/hello -scenario raw
//
// With -compare it starts three masters and, beside them, what they are measured against (a three-node etcd, bare RSA
// signing, bare argon2id), runs both sides in turns, and prints the medians beside the goals of docs/benchmarks.md:
//
//	go run ./scripts/load -compare
//
// The generator shares the machine with the servers it measures, so its client is a plain HTTP/1.1 reader and writer
// over one connection per worker: a request costs it one write, one read and no allocation.
package main
