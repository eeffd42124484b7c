// Package provider turns the configuration of identity providers, as clients write it, into records of the state and back
// (contract 5.4, 5.6). It checks what can be checked without the network: an identity provider that is down is no reason to
// refuse its configuration.
package provider
