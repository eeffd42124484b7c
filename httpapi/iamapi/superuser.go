package iamapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// reset is what the operator on a master asks for.
type reset struct {
	UID      string `json:"uid"`
	Password string `json:"password"`
}

var resetSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{
	{Name: "uid", Type: httpapi.String, Required: true},
	{Name: "password", Type: httpapi.String, Required: true},
}}

// resetSteps is the answer: what was done, one line a step, in the words of the original's script (contract 3.4).
type resetSteps struct {
	Steps []string `json:"steps"`
}

// resetSuperuser gives a user a password and makes it a superuser, creating whatever is missing. It is reachable on the admin socket
// only, where being able to open the file is the credential. The steps are logged as well.
func (a *api) resetSuperuser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in reset
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := iam.ValidateUID(in.UID); err != nil {
		return nil, err
	}
	if err := iam.ValidatePassword(in.Password); err != nil {
		return nil, err
	}
	hash, err := a.hash(ctx, in.Password)
	if err != nil {
		return nil, err
	}
	outcome, err := a.Submitter.Submit(ctx, a.header(r, http.StatusOK), command.ResetSuperuser{UID: in.UID, PasswordHash: hash})
	if err != nil {
		return nil, err
	}
	steps := stepLines(in.UID, outcome.Steps)
	for _, line := range steps {
		a.Logger.InfoContext(ctx, line, slog.String("request", r.ID))
	}
	return &httpapi.Response{Body: resetSteps{steps}, Index: outcome.Index}, nil
}

func stepLines(uid string, s *command.Steps) []string {
	if s == nil {
		s = &command.Steps{}
	}
	lines := []string{fmt.Sprintf("Attempt to create user with uid `%s`", uid), either(s.UserCreated, "User created.", "User already exists.")}
	if s.PasswordUpdated {
		lines = append(lines, "Password updated.")
	}
	return append(lines,
		fmt.Sprintf("Attempt to create group with gid `%s`", iam.SuperuserGroup),
		either(s.GroupCreated, "Group created.", "Group already exists."),
		fmt.Sprintf("Attempt to create ACL with rid `%s`", iam.SuperuserRID),
		either(s.ACLCreated, "ACL created.", "ACL already exists."),
		fmt.Sprintf("Attempt to set permission `full` on `%s` for group `%s`", iam.SuperuserRID, iam.SuperuserGroup),
		either(s.PermissionSet, "Permission set.", "Permission is already set."),
		either(s.MemberAdded, "User added to group.", "User is already in group."),
		"Done.",
	)
}

func either(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}
