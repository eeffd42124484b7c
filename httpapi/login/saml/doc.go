// Package saml is the service provider of SAML 2.0 (Web Browser SSO, service-provider initiated): it asks an identity
// provider to authenticate somebody, and reads the answer. It neither opens connections nor keeps anything: browsers carry
// all messages, and who calls it remembers requests and assertions.
//
// An answer comes from a browser, so nothing in it is believed before a signature vouches for it. [Verify] works in this
// order, and stops at the first thing that is wrong:
//
//  1. scan: bounds, and only XML that every parser reads alike (no document types, no entities, no comments, plain names).
//  2. layout: one Response, one Assertion, one signature in the place where the schema has it, algorithms from a list.
//  3. signature: goxmldsig verifies the digest and the signature with the certificates of the configured metadata. A certificate
//     that the answer brings along counts for nothing.
//  4. assertion: the identity is read from the very bytes whose digest was signed, never from the document around them.
//  5. conditions: for us, now, once, in answer to the request that was asked.
//
// Sections named in comments are those of the OASIS documents: core (saml-core-2.0-os), bindings (saml-bindings-2.0-os),
// profiles (saml-profiles-2.0-os), metadata (saml-metadata-2.0-os). Contract sections are those of the DC/OS wire contract.
package saml
