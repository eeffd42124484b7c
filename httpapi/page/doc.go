// Package page makes what people see in a browser: the login page, the token page, the error page, the page that takes a SAML
// request to its identity provider, and the page of somebody who is signed in.
//
// Everything is in the binary. A page is one document without anything from elsewhere: style and scripts are inside it and named
// by their hashes in a Content-Security-Policy that allows nothing else, so what is smuggled into a page runs nothing, loads
// nothing and sends nothing (hostile H25). All of them work without JavaScript; the two that have a script do more with it.
//
// The functions return whole answers of status 200. Who wants another status sets it.
package page
