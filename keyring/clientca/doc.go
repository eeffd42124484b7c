// Package clientca is the certificate authority that masters have without being given one. Its key follows from the cluster
// key, so every master issues for itself what clients of every other master trust, and nothing is distributed.
//
// It is for development and for closed networks: whoever has the cluster key file can sign for any name, and an authority of
// one's own has to be made known to every client. The peer port has another authority (package cluster), under another label:
// no certificate of one is accepted by the other.
package clientca
