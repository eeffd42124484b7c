// Package autounseal opens stores without people: it keeps the root key of a store sealed by a key that a master can
// reach when it starts. There are two methods behind one interface. The key file method derives that key from the cluster
// key, and protects what lies on disk from whoever has the disk without the key file. The PKCS#11 method leaves the key in a
// token (a hardware security module), so that the files of a master are useless without that device.
package autounseal
