// Package web is the HTTP client with which a master asks identity providers. Whoever configures a provider chooses where
// it connects to, and what answers may be slow, huge or hostile. So every request is https, follows no redirect, reaches no
// address that only this machine or its neighbours have (loopback, link-local: the metadata services of clouds), takes at
// most RequestTimeout, reads at most MaxBody, and there is a bounded number of them at once.
//
// The web proxy of the environment (HTTPS_PROXY, NO_PROXY) is used. Behind one it is the proxy that resolves names, and
// so it has to refuse what they must not lead to; addresses in URLs are refused here all the same.
package web
