package ssoapi

import (
	"net/http"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
)

// While masters are upgraded one after the other, a login could be handed on to one that does not know the way.
func TestNobodyLogsInThroughAProviderUntilAllMastersKnowTheWay(t *testing.T) {
	h := newHouseAt(t, command.LevelSecrets, 2)
	h.know(iam.OIDC, "dex", "alice")
	const form = "application/x-www-form-urlencoded"
	for _, c := range []apitest.Call{
		{Method: "GET", Path: startPath + "?oidc-provider=dex"}, {Method: "GET", Path: startPath + "?saml-provider=adfs"},
		{Method: "GET", Path: callback + "?state=x&code=y"}, {Method: "GET", Path: acsPath + "?handle=x"},
		{Method: "POST", Path: acsPath, Body: []byte("SAMLResponse=x"), Type: form}, {Method: "POST", Path: confirmPath, Body: []byte("answer=continue"), Type: form},
		{Method: "POST", Path: "/gatehouse/v1/login/code", JSON: `{"code":"x","verifier":"y"}`},
	} {
		again(t, newBrowser(t).do(h.Follower(), c), http.StatusServiceUnavailable, "ERR_BUSY", "cluster level 4")
	}
}
