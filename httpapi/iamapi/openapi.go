package iamapi

import (
	"context"
	_ "embed"

	"gatehouse/httpapi"
)

// openAPIText describes the rows of /acs/api/v1 that are served; a test compares it with the table.
//
//go:embed openapi.yaml
var openAPIText []byte

// openAPI answers the description of the API.
func (a *api) openAPI(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Raw: openAPIText, ContentType: "application/x-yaml; charset=utf-8"}, nil
}
