package iam

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/fsm/fault"
)

// The limits of contract 1.3, 1.6 and decision 3, in bytes unless said otherwise.
const (
	MaxUID            = 96
	MaxGID            = 64
	MaxDescription    = 4 << 10
	MaxRID            = 1 << 10
	MaxProviderID     = 1 << 10
	MaxPublicKey      = 64 << 10
	MinPasswordLength = 5 // characters
)

// ValidateUID accepts a-z A-Z 0-9 - _ @ . up to MaxUID bytes. Three names are taken: "anonymous", and the path
// segments "." and ".." (contract 1.3, decision 37).
func ValidateUID(uid string) error {
	if uid == "" || len(uid) > MaxUID || uid == "anonymous" || uid == "." || uid == ".." || !only(uid, "-_@.") {
		return fault.New(fault.InvalidUserID, "Invalid user ID: %s", Excerpt(uid))
	}
	return nil
}

// ValidateGID accepts a-z A-Z 0-9 - _ @ up to MaxGID bytes (contract 1.6).
func ValidateGID(gid string) error {
	if gid == "" || len(gid) > MaxGID || !only(gid, "-_@") {
		return fault.New(fault.InvalidGroupID, "Invalid group ID: %s", Excerpt(gid))
	}
	return nil
}

// ValidateRID accepts printable text up to MaxRID bytes (decisions 3 and 35).
func ValidateRID(rid string) error {
	if rid == "" || len(rid) > MaxRID || !utf8.ValidString(rid) || strings.ContainsFunc(rid, unprintable) {
		return fault.New(fault.InvalidResourceID, "Invalid resource ID: %s", Excerpt(rid))
	}
	return nil
}

// ValidateDescription accepts UTF-8 up to MaxDescription bytes (decision 3). The empty text is one.
func ValidateDescription(text string) error {
	if !utf8.ValidString(text) {
		return fault.New(fault.InvalidData, "`description` must be UTF-8.")
	}
	if len(text) > MaxDescription {
		return fault.New(fault.InvalidData, "`description` must not be longer than %d bytes.", MaxDescription)
	}
	return nil
}

// ValidatePassword accepts at least MinPasswordLength characters. There is no other rule and no maximum.
func ValidatePassword(password string) error {
	if utf8.RuneCountInString(password) < MinPasswordLength {
		return fault.New(fault.InvalidData, "Password does not match rules: Must be at least %d characters long.", MinPasswordLength)
	}
	return nil
}

// ValidateProviderType accepts the four names (contract 1.3, step 3).
func ValidateProviderType(providerType string) error {
	switch providerType {
	case Internal, LDAP, OIDC, SAML:
		return nil
	}
	return fault.New(fault.InvalidData, "Invalid provider_type: %s", Excerpt(providerType))
}

// ValidateCredentials checks which credentials come with a user (contract 1.3, steps 4 and 5): exactly one for an
// internal user, none for a remote one.
func ValidateCredentials(providerType string, password, publicKey bool) error {
	if providerType != Internal {
		if password {
			return fault.New(fault.InvalidData, "external provider: `password` is unexpected")
		}
		if publicKey {
			return fault.New(fault.InvalidData, "external provider: `public_key` is unexpected")
		}
		return nil
	}
	if password == publicKey {
		return fault.New(fault.InvalidData, "One of `password` or `public_key` must be provided")
	}
	return nil
}

// ValidateProviderID checks the provider's id against its type (contract 1.3, step 8). "" counts as absent.
func ValidateProviderID(providerType, providerID string) error {
	needed := providerType == OIDC || providerType == SAML
	switch {
	case needed && providerID == "":
		return fault.New(fault.InvalidData, "Invalid provider_id: provider_id must be provided if provider_type is saml or oidc")
	case !needed && providerID != "":
		return fault.New(fault.InvalidData, "Invalid provider_id: provider_id must not be provided unless provider_type is saml or oidc")
	case len(providerID) > MaxProviderID || !utf8.ValidString(providerID):
		return fault.New(fault.InvalidData, "Invalid provider_id: at most %d bytes of UTF-8", MaxProviderID)
	}
	return nil
}

// ValidateSubject accepts the base64url of a SHA-256 and NextSubject for users of identity providers, and "" for everybody.
func ValidateSubject(providerType, subject string) error {
	if subject == "" {
		return nil
	}
	hash, err := base64.RawURLEncoding.Strict().DecodeString(subject)
	if subject != NextSubject && (err != nil || len(subject) != base64.RawURLEncoding.EncodedLen(sha256.Size) || len(hash) != sha256.Size) {
		return fault.New(fault.InvalidData, "Invalid subject: want a SHA-256 in base64url")
	}
	if providerType != OIDC && providerType != SAML {
		return fault.New(fault.InvalidData, "Invalid subject: subject must not be provided unless provider_type is saml or oidc")
	}
	return nil
}

// Validate checks everything about a user that can be checked without the state and without parsing its key, in the
// order of contract 1.3.
func (u *User) Validate() error {
	checks := [...]error{
		ValidateProviderType(u.ProviderType),
		ValidateCredentials(u.ProviderType, u.PasswordHash != "", u.PublicKey != ""),
		validateCredentialSize(u),
		ValidateProviderID(u.ProviderType, u.ProviderID),
		ValidateUID(u.UID),
		ValidateDescription(u.Description),
		ValidateSubject(u.ProviderType, u.Subject),
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}

func validateCredentialSize(u *User) error {
	if len(u.PublicKey) > MaxPublicKey {
		return fault.New(fault.InvalidPublicKey, "Invalid public key: longer than %d bytes", MaxPublicKey)
	}
	if len(u.PasswordHash) > MaxPublicKey {
		return fault.New(fault.InvalidData, "The password hash is longer than %d bytes.", MaxPublicKey)
	}
	return nil
}

// Validate checks everything about a group that can be checked without the state (contract 1.6).
func (g *Group) Validate() error {
	if err := ValidateGID(g.GID); err != nil {
		return err
	}
	if g.ProviderType != Internal && g.ProviderType != LDAP {
		return fault.New(fault.InvalidData, "Invalid provider_type: %s", Excerpt(g.ProviderType))
	}
	return ValidateDescription(g.Description)
}

// Validate checks everything about a protected resource that can be checked without the state.
func (a *ACL) Validate() error {
	if err := ValidateRID(a.RID); err != nil {
		return err
	}
	return ValidateDescription(a.Description)
}

// only reports whether s consists of ASCII letters, digits and the given others.
func only(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// unprintable admits the space and every graphic character.
func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// Excerpt bounds what an error repeats of a client's input.
func Excerpt(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
