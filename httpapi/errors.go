package httpapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"gatehouse/fsm/fault"
)

// errorRow is how one fault code looks on the wire.
type errorRow struct {
	status int
	// title replaces the status line, which is the default (contract 0.3).
	title string
	// hidden codes are names of ours that no client has ever seen: the body carries no code.
	hidden bool
	// empty answers have no body (contract 0.2).
	empty bool
	// unchallenged 401s name no scheme: no token would have helped.
	unchallenged bool
}

// errorTable is where the original's oddities live: unknown entities are 400, existing ones 409 (contract 0.4).
var errorTable = map[fault.Code]errorRow{
	fault.UnknownUser:             {status: 400},
	fault.UnknownGroup:            {status: 400},
	fault.UnknownResource:         {status: 400},
	fault.UserNotInACL:            {status: 400},
	fault.GroupNotInACL:           {status: 400},
	fault.ActionNotYetStored:      {status: 400},
	fault.GroupExists:             {status: 409},
	fault.UserExists:              {status: 409},
	fault.ACLExists:               {status: 409},
	fault.PermissionExists:        {status: 409},
	fault.UserAlreadyInGroup:      {status: 409},
	fault.UserNotInGroup:          {status: 400},
	fault.NoMoreSuperusers:        {status: 400},
	fault.IsSuperuserGroup:        {status: 400},
	fault.IsSuperuserACL:          {status: 400},
	fault.InvalidUserID:           {status: 400},
	fault.InvalidGroupID:          {status: 400},
	fault.InvalidResourceID:       {status: 400},
	fault.InvalidAction:           {status: 400},
	fault.InvalidData:             {status: 400},
	fault.InvalidPublicKey:        {status: 400},
	fault.InvalidCredentials:      {status: 401},
	fault.InvalidCredentialsLDAP:  {status: 401},
	fault.LDAPAuthFailed:          {status: 401},
	fault.MissingQueryParameters:  {status: 400},
	fault.CannotImportUser:        {status: 400},
	fault.LDAPConfigNotAvailable:  {status: 400},
	fault.LDAPConfigInvalid:       {status: 400},
	fault.LDAPImport:              {status: 400},
	fault.LDAPImportUserNotFound:  {status: 400},
	fault.LDAPImportGroupNotFound: {status: 400},
	fault.LDAPImportSearchFailed:  {status: 400},
	fault.OIDCConfigInvalid:       {status: 400},
	fault.JWKSNotImplemented:      {status: 400},

	fault.BadRequest:           {status: 400, hidden: true},
	fault.Schema:               {status: 400, title: "Bad Request", hidden: true},
	fault.UnknownProvider:      {status: 400, hidden: true},
	fault.IDTokenRefused:       {status: 401, hidden: true, unchallenged: true},
	fault.NotFound:             {status: 404, hidden: true, empty: true},
	fault.MethodNotAllowed:     {status: 405, hidden: true, empty: true},
	fault.NotAcceptable:        {status: 406, title: "Media type not acceptable", hidden: true},
	fault.UnsupportedMediaType: {status: 415, title: "Unsupported media type", hidden: true},
	fault.Internal:             {status: 500, hidden: true},

	fault.Unauthenticated:     {status: 401},
	fault.SSOFailed:           {status: 401, unchallenged: true},
	fault.Forbidden:           {status: 403},
	fault.CrossOrigin:         {status: 403},
	fault.PayloadTooLarge:     {status: 413},
	fault.IdempotencyMismatch: {status: 422},
	fault.Throttled:           {status: 429},
	fault.Conflict:            {status: 409},
	fault.UnknownKey:          {status: 400},
	fault.KeyInUse:            {status: 409},
	fault.UnknownMaster:       {status: 400},

	fault.StoreSealed:            {status: 503},
	fault.UnknownStore:           {status: 404},
	fault.StoreExists:            {status: 409},
	fault.StoreNotEmpty:          {status: 400},
	fault.StoreNotInitialized:    {status: 400},
	fault.StoreFull:              {status: 507},
	fault.StoreDamaged:           {status: 500},
	fault.UnknownDriver:          {status: 404},
	fault.InvalidStoreName:       {status: 400},
	fault.UnknownSecret:          {status: 404},
	fault.SecretExists:           {status: 409},
	fault.InvalidSecretPath:      {status: 400},
	fault.InvalidShare:           {status: 400},
	fault.InvalidPGPKey:          {status: 400},
	fault.UnsupportedContentType: {status: 400},
	fault.UnsupportedAccept:      {status: 400},
	fault.PreconditionFailed:     {status: 412},

	fault.NoLeader:       {status: 503},
	fault.LeaderChanged:  {status: 503},
	fault.Busy:           {status: 503},
	fault.DiskLow:        {status: 503},
	fault.OutcomeUnknown: {status: 503},
}

// retryAfter is what a client is told when a fault that passes by itself does not say how long it takes.
const retryAfter = time.Second

// asFault returns the fault that is rendered for err. Whatever is none is internal: its text stays in the log.
func asFault(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		if _, known := errorTable[f.Code]; known {
			return f
		}
	}
	return fault.New(fault.Internal, "The server could not handle this request.")
}

// noLeader is the answer when nobody leads within the deadline. Certainly nothing happened.
func noLeader(why string) error {
	return fault.New(fault.NoLeader, "No leader: %s. Nothing was changed.", why).After(retryAfter)
}

// errorBody is the original's error (contract 0.3): key order, and absent when unset.
type errorBody struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Code        string `json:"code,omitempty"`
}

// errorContentType differs from that of successes in the case of UTF-8, as the original's did.
const errorContentType = "application/json; charset=UTF-8"

// errorResponse renders a fault as a response, with the challenge of this server.
func (s *Server) errorResponse(f *fault.Error, look style) *Response {
	resp := refusal(f, look)
	if resp.Status == http.StatusUnauthorized && !errorTable[f.Code].unchallenged {
		resp.Header.Set("WWW-Authenticate", s.challenge(f.Code))
	}
	return resp
}

// Refuse answers with a fault as the API does, where there is no API yet.
func Refuse(w http.ResponseWriter, r *http.Request, f *fault.Error) {
	look := styleOf(r.URL.Path)
	resp := refusal(f, look)
	maps.Copy(w.Header(), resp.Header)
	contentType(w.Header(), resp, look)
	w.WriteHeader(resp.Status)
	_, _ = w.Write(resp.Raw) // a client that left needs no answer
}

// refusal is the form of every error.
func refusal(f *fault.Error, look style) *Response {
	row := errorTable[f.Code]
	resp := &Response{Status: row.status, Header: make(http.Header, 4), fault: f.Code}
	if look == secretsStyle {
		resp.Raw, resp.ContentType = secretsError(row, f), secretsContentType
	} else if row.empty {
		return resp
	} else {
		resp.Raw, resp.ContentType = iamError(row, f), errorContentType
	}
	resp.Header.Set("Vary", "Accept")
	resp.Header.Set("Cache-Control", "no-store")
	if wait := f.RetryAfter; wait > 0 || row.status == 503 || row.status == 429 {
		resp.Header.Set("Retry-After", retrySeconds(wait))
	}
	return resp
}

func iamError(row errorRow, f *fault.Error) []byte {
	body := errorBody{Title: row.title, Description: f.Description}
	if body.Title == "" {
		body.Title = statusLine(row.status)
	}
	if !row.hidden {
		body.Code = string(f.Code)
	}
	return []byte(compactJSON(body))
}

func statusLine(status int) string { return fmt.Sprintf("%d %s", status, http.StatusText(status)) }

// challenge names the scheme to a refused client. Command lines tell the editions apart by it (contract 2.2), but a refused
// login says acsjwt in both (contract 1.10).
func (s *Server) challenge(code fault.Code) string {
	if code == fault.Unauthenticated && s.opts.Edition == Open {
		return "oauthjwt"
	}
	return "acsjwt"
}

// retrySeconds renders a Retry-After, never 0: that would ask for a retry at once.
func retrySeconds(wait time.Duration) string {
	if wait <= 0 {
		wait = retryAfter
	}
	return strconv.Itoa(int(math.Ceil(wait.Seconds())))
}

// gone reports whether err is only the client having left: nobody reads the answer, and nothing is logged.
func gone(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}
