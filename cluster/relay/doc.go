// Package relay carries many small HTTP requests over one connection between two masters.
//
// A follower hands every change to the leader, so what carrying one costs decides what a cluster behind a load balancer
// can write. HTTP/2 spends more on a forwarded request (header compression of tokens that never repeat, a TLS record
// and a system call for each frame, flow control) than the leader spends on deciding it. Here a request is one frame
// and its answer is one frame; whatever is ready while the previous write is under way goes out in the next, so that
// under load one write carries many frames.
//
// Flow is controlled by the end that sends requests: it has so many bytes of them under way at once and lets further ones
// wait, so that it fills neither the other end's memory nor all its workers. Large requests belong on a connection of
// their own. Frames answer each other by number and in any order. When the connection ends, every request under way ends
// with it; what was never handed to the connection fails with ErrUnsent. While answers are awaited and nothing comes, nor
// is taken, the client asks for a sign of life, and gives the connection up without one.
package relay
