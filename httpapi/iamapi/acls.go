package iamapi

import (
	"context"
	"net/http"
	"strings"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// acl is the ACL object of contract 1.8: a protected resource.
type acl struct {
	RID         string `json:"rid"`
	Description string `json:"description"`
	URL         string `json:"url"`
}

func wireACL(a *iam.ACL) acl { return acl{RID: a.RID, Description: a.Description, URL: aclURL(a.RID)} }

// aclURL spells a rid as clients send it: every slash encoded twice, and nothing else (contract 0.5).
func aclURL(rid string) string {
	return prefix + "/acls/" + strings.ReplaceAll(rid, "/", "%252F")
}

func (a *api) listACLs(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Stream: httpapi.StreamArray(mapped(r.State.ACLs(), wireACL))}, nil
}

func (a *api) getACL(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	found, err := aclOf(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: wireACL(found)}, nil
}

// createACL makes a resource known, so that permissions can hang on it; it never changes one.
func (a *api) createACL(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in described
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return a.submit(ctx, r, http.StatusCreated, command.CreateACL{ACL: iam.ACL{RID: r.Param("rid"), Description: in.Description}})
}

func (a *api) updateACL(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in described
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return a.submit(ctx, r, http.StatusNoContent, command.UpdateACL{RID: r.Param("rid"), Description: &in.Description})
}

// deleteACL removes the resource with all permissions on it.
func (a *api) deleteACL(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.submit(ctx, r, http.StatusNoContent, command.DeleteACL{RID: r.Param("rid")})
}

// aclOf is the resource that the path names.
func aclOf(r *httpapi.Request) (*iam.ACL, error) {
	found, ok := r.State.ACL(r.Param("rid"))
	if !ok {
		return nil, fault.New(fault.UnknownResource, "Protected resource with rid `%s` not known.", r.Param("rid"))
	}
	return found, nil
}
