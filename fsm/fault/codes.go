package fault

// The codes that the original service published (contract 0.4). Clients compare them as strings, so none may change.
const (
	UnknownUser             Code = "ERR_UNKNOWN_USER_ID"
	UnknownGroup            Code = "ERR_UNKNOWN_GROUP_ID"
	UnknownResource         Code = "ERR_UNKNOWN_RESOURCE_ID"
	UserNotInACL            Code = "ERR_USER_NOT_IN_ACL"
	GroupNotInACL           Code = "ERR_GROUP_NOT_IN_ACL"
	ActionNotYetStored      Code = "ERR_ACTION_NOT_YET_STORED"
	GroupExists             Code = "ERR_GROUP_EXISTS"
	UserExists              Code = "ERR_USER_EXISTS"
	ACLExists               Code = "ERR_ACL_EXISTS"
	PermissionExists        Code = "ERR_PERMISSION_EXISTS"
	UserAlreadyInGroup      Code = "ERR_USER_ALREADY_IN_GROUP"
	UserNotInGroup          Code = "ERR_USER_NOT_IN_GROUP"
	NoMoreSuperusers        Code = "ERR_NO_MORE_SUPERUSERS"
	IsSuperuserGroup        Code = "ERR_IS_SUPERUSER_GROUP"
	IsSuperuserACL          Code = "ERR_IS_SUPERUSER_ACL"
	InvalidUserID           Code = "ERR_INVALID_USER_ID"
	InvalidGroupID          Code = "ERR_INVALID_GROUP_ID"
	InvalidResourceID       Code = "ERR_INVALID_RESOURCE_ID"
	InvalidAction           Code = "ERR_INVALID_ACTION"
	InvalidData             Code = "ERR_INVALID_DATA"
	InvalidPublicKey        Code = "ERR_INVALID_PUBLIC_KEY"
	InvalidCredentials      Code = "ERR_INVALID_CREDENTIALS"
	InvalidCredentialsLDAP  Code = "ERR_INVALID_CREDENTIALS_LDAP"
	LDAPAuthFailed          Code = "ERR_LDAP_AUTH_FAILED"
	MissingQueryParameters  Code = "ERR_MISSING_QUERY_PARAMETERS"
	CannotImportUser        Code = "ERR_CANNOT_IMPORT_USER"
	LDAPConfigNotAvailable  Code = "ERR_LDAP_CONFIG_NOT_AVAILABLE"
	LDAPConfigInvalid       Code = "ERR_LDAP_CONFIG_INVALID"
	LDAPImport              Code = "ERR_LDAP_IMPORT"
	LDAPImportUserNotFound  Code = "ERR_LDAP_IMPORT_USER_NOT_FOUND"
	LDAPImportGroupNotFound Code = "ERR_LDAP_IMPORT_GROUP_NOT_FOUND"
	LDAPImportSearchFailed  Code = "ERR_LDAP_IMPORT_SEARCH_FAILED"
	OIDCConfigInvalid       Code = "ERR_OIDC_PROVIDER_CONFIG_INVALID"
	JWKSNotImplemented      Code = "ERR_JWKS_NOT_IMPLEMENTED_FOR_HS256"
)

// The codes that Gatehouse adds. Those without the ERR_ prefix are internal names: httpapi renders them without a code.
const (
	// BadRequest is a request that is broken below the level of fields: no published code.
	BadRequest Code = "BAD_REQUEST"
	// Schema is a body that violates its schema: title "Bad Request" and no code.
	Schema Code = "SCHEMA"
	// NotFound is an unknown route: 404 with an empty body.
	NotFound Code = "NOT_FOUND"
	// MethodNotAllowed is a known route asked with a method it lacks: 405 with an empty body.
	MethodNotAllowed Code = "METHOD_NOT_ALLOWED"
	// NotAcceptable is an Accept header that does not admit JSON.
	NotAcceptable Code = "NOT_ACCEPTABLE"
	// UnsupportedMediaType is a Content-Type that no handler reads.
	UnsupportedMediaType Code = "UNSUPPORTED_MEDIA_TYPE"
	// Internal is a failure of ours; nothing but the request id is told.
	Internal Code = "INTERNAL"

	// IDTokenRefused is an ID token that nobody is let in with: 401 without a code and without a challenge (contract 1.11).
	IDTokenRefused Code = "ID_TOKEN_REFUSED"
	// UnknownProvider is a login provider that is not configured: 400, and no code was ever published.
	UnknownProvider Code = "UNKNOWN_PROVIDER"

	// Unauthenticated is a missing, broken, expired or revoked token: 401 with a challenge.
	Unauthenticated Code = "ERR_UNAUTHENTICATED"
	// SSOFailed is a login through an identity provider that came to nothing: 401 without a challenge, which no token answers.
	SSOFailed Code = "ERR_SSO_FAILED"
	// Forbidden is an authenticated caller without the permission.
	Forbidden Code = "ERR_FORBIDDEN"
	// CrossOrigin is a cookie-authenticated change that another site caused.
	CrossOrigin Code = "ERR_CROSS_ORIGIN"
	// PayloadTooLarge is a body over the limit of its route.
	PayloadTooLarge Code = "ERR_PAYLOAD_TOO_LARGE"
	// IdempotencyMismatch is an Idempotency-Key that was used for another request.
	IdempotencyMismatch Code = "ERR_IDEMPOTENCY_KEY_REUSED"
	// Throttled is a caller that asks too often.
	Throttled Code = "ERR_TOO_MANY_REQUESTS"
	// Conflict is a lost compare-and-set, or a change that the present state excludes.
	Conflict Code = "ERR_CONFLICT"
	// UnknownKey is a signing key id that the cluster does not have.
	UnknownKey Code = "ERR_UNKNOWN_KEY_ID"
	// KeyInUse is a signing key that still signs, or that unexpired tokens were signed with.
	KeyInUse Code = "ERR_KEY_IN_USE"
	// UnknownMaster is a server id that is not part of the cluster.
	UnknownMaster Code = "ERR_UNKNOWN_MASTER"

	// StoreSealed is a secret store whose keys are in nobody's memory, by intention or for want of shares.
	StoreSealed Code = "ERR_STORE_SEALED"
	// UnknownStore is a secret store that does not exist.
	UnknownStore Code = "ERR_UNKNOWN_STORE"
	// StoreExists is a secret store that is created twice.
	StoreExists Code = "ERR_STORE_EXISTS"
	// StoreNotEmpty is the initialisation of a store that holds secrets.
	StoreNotEmpty Code = "ERR_STORE_NOT_EMPTY"
	// StoreNotInitialized is a store that has no keys yet.
	StoreNotInitialized Code = "ERR_STORE_NOT_INITIALIZED"
	// StoreFull is a write that the limit of all secrets together excludes.
	StoreFull Code = "ERR_STORE_FULL"
	// StoreDamaged is a sealed value that does not open: it was altered, moved or cut off.
	StoreDamaged Code = "ERR_STORE_DAMAGED"
	// UnknownDriver is a kind of secret store that does not exist.
	UnknownDriver Code = "ERR_UNKNOWN_DRIVER"
	// InvalidStoreName is a name that no secret store can have.
	InvalidStoreName Code = "ERR_INVALID_STORE_NAME"
	// UnknownSecret is a secret, or a version of one, that does not exist (any more).
	UnknownSecret Code = "ERR_UNKNOWN_SECRET"
	// SecretExists is a secret that is created twice.
	SecretExists Code = "ERR_SECRET_EXISTS"
	// InvalidSecretPath is a path that no secret can have.
	InvalidSecretPath Code = "ERR_INVALID_SECRET_PATH"
	// InvalidShare is a share of a root key that is malformed, or shares that do not belong together.
	InvalidShare Code = "ERR_INVALID_SHARE"
	// InvalidPGPKey is a key that no share can be encrypted to.
	InvalidPGPKey Code = "ERR_INVALID_PGP_KEY"
	// UnsupportedContentType is a secret in neither of the two forms; the IAM has UnsupportedMediaType.
	UnsupportedContentType Code = "ERR_UNSUPPORTED_CONTENT_TYPE"
	// UnsupportedAccept is a reader who does not take the form that the secret has; the IAM has NotAcceptable.
	UnsupportedAccept Code = "ERR_UNSUPPORTED_ACCEPT"
	// PreconditionFailed is an If-Match that names another version than the newest.
	PreconditionFailed Code = "ERR_PRECONDITION_FAILED"

	// NoLeader is a cluster without a leader until the deadline. Certainly nothing happened.
	NoLeader Code = "ERR_NO_LEADER"
	// LeaderChanged is a write that met another term than the one it was authorized in. Certainly nothing happened.
	LeaderChanged Code = "ERR_LEADER_CHANGED"
	// Busy is a write that was not admitted in time. Certainly nothing happened.
	Busy Code = "ERR_BUSY"
	// DiskLow is a write that was not admitted because a disk runs full. Certainly nothing happened.
	DiskLow Code = "ERR_DISK_LOW"
	// OutcomeUnknown is a write that may or may not have happened. Nobody may repeat it behind the client's back.
	OutcomeUnknown Code = "ERR_OUTCOME_UNKNOWN"
)
