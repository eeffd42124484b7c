// Package storeapi serves what operators do with secret stores: create, initialise, seal and unseal them, change their root
// keys and settings (contract 6). Secrets themselves are package secretsapi's.
package storeapi
