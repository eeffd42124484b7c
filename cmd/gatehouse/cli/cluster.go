package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) logoutCommand() *cobra.Command {
	var name string
	var all bool
	cmd := a.verb("logout", "Forget the token of a login", "  gatehouse logout\n  gatehouse logout --name prod\n  gatehouse logout --all",
		NoArgs, func(*cobra.Command, []string) error { return a.logout(name, all) })
	cmd.Long = "Forgets the token of the current cluster, or of the one that is named. The cluster stays known:\n" +
		"gatehouse login --name NAME needs no URL; gatehouse cluster remove forgets it all. The token is not\n" +
		"refused by this: who has a copy can use it until it expires, or is revoked (gatehouse user revoke-tokens)."
	cmd.Flags().StringVar(&name, "name", "", "the cluster to log out of (GATEHOUSE_CLUSTER; default: the current one)")
	cmd.Flags().StringVar(&name, "cluster", "", "the same as --name")
	_ = cmd.Flags().MarkHidden("cluster")
	cmd.Flags().BoolVar(&all, "all", false, "log out of all clusters")
	_ = cmd.RegisterFlagCompletionFunc("name", a.completeClusters)
	return a.shown(cmd)
}

func (a *app) logout(name string, all bool) error {
	if all && name != "" {
		return usage(errors.New("--all and --name: want one of them"), "")
	}
	var out []string
	err := a.change(func(l *logins) error {
		if !all {
			if name = first(name, a.env.Getenv["GATEHOUSE_CLUSTER"], l.Current); name == "" {
				return usage(errors.New("not logged in to any cluster"), "")
			}
			if l.Clusters[name] == nil {
				return l.unknown(name)
			}
		}
		for _, known := range slices.Sorted(maps.Keys(l.Clusters)) {
			if all || known == name {
				l.Clusters[known].Token, l.Clusters[known].ServiceKey = "", ""
				out = append(out, known)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	text := "There was no login."
	if len(out) > 0 {
		text = "Logged out of " + strings.Join(out, ", ") + "."
	}
	return a.show(sentence(listOf(out), "%s", text))
}

func (a *app) clusterCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "cluster", Short: "The clusters that you have logged in to",
		Long:    "The clusters that you have logged in to, by name. One of them is current: verbs without --cluster ask it.",
		Example: "  gatehouse cluster list",
	})
	use := a.verb("use NAME", "Make a cluster the current one", "  gatehouse cluster use prod", OneArg, a.clusterUse)
	use.ValidArgsFunction = a.completeClusters
	remove := a.verb("remove NAME", "Forget a cluster and its token", "  gatehouse cluster remove old", OneArg, a.clusterRemove)
	remove.ValidArgsFunction = a.completeClusters
	cmd.AddCommand(
		a.verb("list", "List the clusters, and who is logged in", "  gatehouse cluster list\n  gatehouse cluster list --output json", NoArgs, a.clusterList),
		use, remove)
	return a.shown(cmd)
}

// shownCluster is a stored login without its token.
type shownCluster struct {
	Name       string    `json:"name"`
	Current    bool      `json:"current"`
	URLs       []string  `json:"urls"`
	UID        string    `json:"uid"`
	LoggedIn   bool      `json:"logged_in"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	ServiceKey string    `json:"service_key,omitempty"`
}

func (a *app) shownCluster(name string, c *cluster, current bool) shownCluster {
	s := shownCluster{Name: name, Current: current, URLs: c.URLs, UID: c.UID, LoggedIn: c.Token != "", ServiceKey: c.ServiceKey}
	if claims, err := readToken(c.Token); err == nil {
		s.ExpiresAt = claims.expires()
	}
	return s
}

func (a *app) clusterList(*cobra.Command, []string) error {
	l, err := a.load()
	if err != nil {
		return err
	}
	list := listOf[shownCluster](nil)
	t := &table{columns: []column{{head: " "}, {head: "NAME"}, {head: "USER"}, {head: "LOGIN"}, {head: "URL", soft: true}}}
	for _, name := range slices.Sorted(maps.Keys(l.Clusters)) {
		s := a.shownCluster(name, l.Clusters[name], name == l.Current)
		list.Array = append(list.Array, s)
		mark := ""
		if s.Current {
			mark = "*"
		}
		t.add(mark, s.Name, s.UID, a.loginState(s), strings.Join(s.URLs, " "))
	}
	return a.show(view{list, t.render})
}

func (a *app) loginState(s shownCluster) string {
	switch now := a.env.Now(); {
	case !s.LoggedIn:
		return "logged out"
	case s.ServiceKey != "":
		return "renewed by itself"
	case s.ExpiresAt.IsZero():
		return "logged in"
	case s.ExpiresAt.Before(now):
		return "ended " + relative(s.ExpiresAt, now)
	default:
		return "ends " + relative(s.ExpiresAt, now)
	}
}

func (a *app) clusterUse(_ *cobra.Command, args []string) error {
	err := a.change(func(l *logins) error {
		if l.Clusters[args[0]] == nil {
			return l.unknown(args[0])
		}
		l.Current = args[0]
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(sentence(result{Result: "current", ID: args[0]}, "The current cluster is %s.", args[0]))
}

func (a *app) clusterRemove(_ *cobra.Command, args []string) error {
	err := a.change(func(l *logins) error {
		if l.Clusters[args[0]] == nil {
			return l.unknown(args[0])
		}
		delete(l.Clusters, args[0])
		if l.Current == args[0] {
			l.Current = ""
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(sentence(result{Result: "removed", ID: args[0]}, "Forgot the cluster %s.", args[0]))
}

// completeClusters completes the names of stored logins.
func (a *app) completeClusters(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	l, err := a.load()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(l.Clusters)) {
		names = append(names, fmt.Sprintf("%s\t%s", name, strings.Join(l.Clusters[name].URLs, " ")))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
