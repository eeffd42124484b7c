// Package relay carries many small HTTP requests over one connection between two masters.
//
// A follower hands every change to the leader, so what carrying one costs decides what a cluster behind a load balancer
// can write. HTTP/2 spends more on a forwarded request (header compression of tokens that never repeat, a TLS record
// and a system call for each frame, flow control) than the leader spends on deciding it. Here a request is one frame
// and its answer is one frame; whatever is ready while the previous write is under way goes out in the next, so that
// under load one write carries many frames.
//
// There is no flow control: frames are bounded, bodies are bounded by the routes, and both ends are masters of one
// cluster. Frames answer each other by number and in any order. When the connection ends, every request under way ends
// with it; what was never handed to the connection fails with ErrUnsent. While answers are awaited and nothing comes,
// the client asks for a sign of life, and gives the connection up without one.
package relay
