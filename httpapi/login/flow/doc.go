// Package flow holds what a login through an identity provider remembers between its steps, without a database.
//
// A login leaves this origin and comes back, perhaps to another master. What must survive lies in the browser, sealed by the
// cluster key, so that every master can open it and nobody can make it up (hostile O15):
//
//	Flow    in a cookie   from the start of a login to the answer of the identity provider; binds it to one browser
//	Handle  in a URL      from the SAML answer, which is a cross-site POST without cookies, to the GET that brings the cookie
//	Question in a form    from the end of a login for a command line to the person who agrees to it
//	Code    in a URL      from there to the command line, which listens on a loopback port
//
// Each is bound by the sealing to its kind and to the cluster. Single use is a memory of the leader (Used). It is complete
// within a Raft term because every master refuses what was made in another term than the one in which it leads.
package flow
