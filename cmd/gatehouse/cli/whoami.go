package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/client"
)

// superuser is the resource on which any action makes a superuser (contract 3.3).
const superuser = "dcos:superuser"

// shownSelf is who is logged in.
type shownSelf struct {
	UID       string    `json:"uid"`
	Cluster   string    `json:"cluster,omitempty"`
	URLs      []string  `json:"urls"`
	Groups    []string  `json:"groups"`
	Superuser bool      `json:"superuser"`
	IssuedAt  time.Time `json:"issued_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func (a *app) whoamiCommand() *cobra.Command {
	cmd := a.verb("whoami", "Show who you are to the cluster: user, groups, superuser or not", "  gatehouse whoami\n  gatehouse whoami --output json", NoArgs,
		func(cmd *cobra.Command, _ []string) error { return a.whoami(cmd.Context()) })
	cmd.Long = "Shows the user of the login, its groups, whether it is a superuser, and when the login ends. The masters are\n" +
		"asked, so it also says whether they still accept the login."
	return a.common(cmd)
}

func (a *app) whoami(ctx context.Context) error {
	t, err := a.find(false)
	if err != nil {
		return err
	}
	s := shownSelf{Cluster: t.name, URLs: t.urls}
	var d client.Decision
	err = a.with(ctx, t, loggedIn, func(c *client.Client) (err error) {
		d, err = a.askSelf(ctx, c, &s)
		return err
	})
	if err != nil {
		return err
	}
	s.Superuser = d.Superuser
	now := a.env.Now()
	return a.show(details(s, pair{"user", s.UID}, pair{"cluster", s.Cluster}, pair{"address", strings.Join(s.URLs, " ")},
		pair{"groups", first(strings.Join(s.Groups, ", "), "none")}, pair{"superuser", superuserThrough(d)},
		pair{"login since", both(s.IssuedAt, now)}, pair{"login until", both(s.ExpiresAt, now)}))
}

// superuserThrough says whether somebody is a superuser, and why.
func superuserThrough(d client.Decision) string {
	switch {
	case !d.Superuser:
		return "no"
	case len(d.Paths) > 0 && d.Paths[0].GID != "":
		return "yes, through the group " + d.Paths[0].GID
	}
	return "yes"
}

// askSelf asks the masters about the user of the token.
func (a *app) askSelf(ctx context.Context, c *client.Client, s *shownSelf) (client.Decision, error) {
	raw, err := c.Token(ctx)
	if err != nil {
		return client.Decision{}, err
	}
	claims, err := readToken(raw)
	if err != nil {
		return client.Decision{}, fail(StatusFailed, err, "")
	}
	s.UID, s.IssuedAt, s.ExpiresAt = claims.UID, claims.IssuedAt, claims.ExpiresAt
	groups, errGroups := c.GroupsOf(ctx, s.UID)
	d, err := c.Explain(ctx, client.Query{UID: s.UID, RID: superuser, Action: "full"})
	s.Groups = gids(groups)
	return d, errors.Join(errGroups, err)
}

func gids(groups []client.Group) []string {
	all := []string{}
	for _, g := range groups {
		all = append(all, g.GID)
	}
	slices.Sort(all)
	return all
}
