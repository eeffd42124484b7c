package iamapi

import (
	"context"
	"net/http"
	"regexp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/keyring/token"
)

// userCreate is UserCreate of contract 1.3. cluster_url and creator_uid are what an old user interface sent; they are ignored.
type userCreate struct {
	Description  *string `json:"description"`
	Password     *string `json:"password"`
	PublicKey    *string `json:"public_key"`
	ProviderType *string `json:"provider_type"`
	ProviderID   *string `json:"provider_id"`
}

var userCreateSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{
	{Name: "description", Type: httpapi.String},
	{Name: "password", Type: httpapi.String},
	{Name: "public_key", Type: httpapi.String},
	{Name: "provider_type", Type: httpapi.String},
	{Name: "provider_id", Type: httpapi.String},
	{Name: "cluster_url", Type: httpapi.String},
	{Name: "creator_uid", Type: httpapi.String},
}}

// createUser adds a user or a service account; it never changes one (contract 1.3).
func (a *api) createUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in userCreate
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if a.Edition == httpapi.Open {
		in.guessProvider(r.Param("uid"))
	}
	u, err := in.user(r.Param("uid"), keyRule{a.MinServiceKeyBits, r.State})
	if err != nil {
		return nil, err
	}
	// The log decides whether the uid is free; asking here only saves the hash of a password that nobody will use.
	if _, taken := r.State.User(u.UID); taken && !repeated(r) {
		return nil, fault.New(fault.UserExists, "User with id `%s` already exists.", u.UID)
	}
	if in.Password != nil {
		if u.PasswordHash, err = a.hash(ctx, *in.Password); err != nil {
			return nil, err
		}
	}
	return a.submit(ctx, r, http.StatusCreated, command.CreateUser{User: u})
}

// email is what the open edition takes for the address of a person who logs in through the public identity provider.
var email = regexp.MustCompile(`^[^@]+@[^@]+\.[^@]+$`)

// auth0 is the one identity provider of the open edition (contract 1.11).
const auth0 = "https://dcos.auth0.com/"

// guessProvider is step 1 of contract 1.3: the user interface before 1.13 created people by a PUT of {} to their address.
func (in *userCreate) guessProvider(uid string) {
	if in.ProviderID != nil || in.ProviderType != nil || given(in.Password) || given(in.PublicKey) || !email.MatchString(uid) {
		return
	}
	providerType, providerID := iam.OIDC, auth0
	in.ProviderType, in.ProviderID = &providerType, &providerID
}

// user checks steps 2 to 9 of contract 1.3, in that order, and returns the record without its password hash.
func (in *userCreate) user(uid string, keys keyRule) (iam.User, error) {
	u := iam.User{
		UID: uid, Description: text(in.Description), PublicKey: text(in.PublicKey),
		ProviderType: iam.Internal, ProviderID: text(in.ProviderID),
	}
	if in.ProviderType != nil {
		u.ProviderType = *in.ProviderType
	}
	if err := in.checkCredentials(u.ProviderType, keys); err != nil {
		return u, err
	}
	if err := iam.ValidateProviderID(u.ProviderType, u.ProviderID); err != nil {
		return u, err
	}
	if err := iam.ValidateUID(u.UID); err != nil {
		return u, err
	}
	return u, iam.ValidateDescription(u.Description)
}

// checkCredentials is steps 2 to 7.
func (in *userCreate) checkCredentials(providerType string, keys keyRule) error {
	if in.Password != nil && *in.Password == "" {
		return fault.New(fault.InvalidData, "`password` must not be empty when provided")
	}
	if in.PublicKey != nil && *in.PublicKey == "" {
		return fault.New(fault.InvalidData, "`public_key` must not be empty when provided")
	}
	if err := iam.ValidateProviderType(providerType); err != nil {
		return err
	}
	if err := iam.ValidateCredentials(providerType, in.Password != nil, in.PublicKey != nil); err != nil {
		return err
	}
	if in.Password != nil {
		return iam.ValidatePassword(*in.Password)
	}
	if in.PublicKey != nil {
		return keys.check(*in.PublicKey)
	}
	return nil
}

// keyRule is what the public key of a service account must be like.
type keyRule struct {
	minBits int          // 0 means 2048
	own     token.Source // the cluster's keys, which no account may have
}

func (k keyRule) check(pem string) error {
	if len(pem) > iam.MaxPublicKey {
		return fault.New(fault.InvalidPublicKey, "Invalid public key: longer than %d bytes", iam.MaxPublicKey)
	}
	if err := token.CheckServiceKey(pem, k.minBits, k.own); err != nil {
		return fault.New(fault.InvalidPublicKey, "%s", err.Error())
	}
	return nil
}

// given reports whether an optional string is there and not empty.
func given(s *string) bool { return s != nil && *s != "" }

// text is the string, or "" when it is absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
