package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/client"
)

// Pages of records, and how often a trail that is followed is looked at.
const (
	auditPage   = 1000
	followEvery = time.Second
	// followAction is the action of asking for records: who follows the trails makes such records all the time.
	followAction = "gatehouse.audit.records"
)

// recordFlags say which records are meant, and where they are.
type recordFlags struct {
	dir          string
	filter       audit.Filter
	since, until string
}

func (f *recordFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "dir", "", "read the files in `DIRECTORY` rather than ask the masters")
	flags.StringVar(&f.filter.UID, "uid", "", "records about this user, or that it asked for")
	flags.StringVar(&f.filter.Action, "action", "", "records of this action, such as password-login or iam.users.create")
	flags.StringVar(&f.filter.Object, "object", "", "records about objects that begin so")
	flags.StringVar(&f.filter.Result, "result", "", "allow or deny")
	flags.StringVar(&f.filter.Request, "request", "", "records of the request with this id")
	flags.StringVar(&f.since, "since", "", "records from this time on: 2026-03-01T12:00:00Z, or a duration ago such as 2h")
	flags.StringVar(&f.until, "until", "", "records before this time")
}

func (f *recordFlags) parse(now time.Time) (err error) {
	if f.filter.Result != "" && f.filter.Result != "allow" && f.filter.Result != "deny" {
		return usage(fmt.Errorf("--result: %q: want allow or deny", f.filter.Result), "")
	}
	if f.filter.Since, err = parseWhen("since", f.since, now); err != nil {
		return err
	}
	f.filter.Until, err = parseWhen("until", f.until, now)
	return err
}

func parseWhen(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usage(fmt.Errorf("--%s: %q: want a time such as 2026-03-01T12:00:00Z, or a duration such as 2h", name, text), "")
	}
	return t.UTC(), nil
}

func (a *app) auditSearchCommand() *cobra.Command {
	var f recordFlags
	limit := 10_000
	cmd := a.verb("search", "Search the trails of all masters", "  gatehouse audit search --uid alice --result deny --since 24h\n"+
		"  gatehouse audit search --action iam.users.delete --output json\n  gatehouse audit search --dir /var/lib/gatehouse/audit --request 5d41402abc4b2a76b9719d911017c592", NoArgs, nil)
	cmd.Long = "Searches the audit trails of all masters, merged by time, or the files in a directory. Every condition must hold."
	f.add(cmd)
	cmd.Flags().IntVarP(&limit, "limit", "n", limit, "the most records that each master is asked for")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.parse(a.env.Now()); err != nil {
			return err
		}
		lines, err := a.collect(cmd.Context(), &f, map[string]uint64{}, 1, limit)
		if err != nil {
			return err
		}
		return a.show(records(lines))
	}
	return cmd
}

func (a *app) auditTailCommand() *cobra.Command {
	var f recordFlags
	var follow bool
	lines := 20
	cmd := a.verb("tail", "Show the newest records of all masters", "  gatehouse audit tail\n  gatehouse audit tail -f --result deny\n  gatehouse audit tail --dir /var/lib/gatehouse/audit", NoArgs, nil)
	cmd.Long = "Shows the newest records of all masters, merged by time, as they stand in the files. With -f it goes on with those that\n" +
		"come; that it asks for them is recorded too, but not shown."
	f.add(cmd)
	cmd.Flags().IntVarP(&lines, "lines", "n", lines, "how many records of each master")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the records that come")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.parse(a.env.Now()); err != nil {
			return err
		}
		return a.tail(cmd.Context(), &f, lines, follow)
	}
	return cmd
}

func (a *app) tail(ctx context.Context, f *recordFlags, lines int, follow bool) error {
	next := map[string]uint64{}
	for first := true; first || follow; first = false {
		if !first && !wait(ctx, followEvery) {
			return nil
		}
		limit := auditPage
		if first {
			limit = max(1, min(lines, auditPage))
		}
		found, err := a.collect(ctx, f, next, 0, limit)
		if follow && ctx.Err() != nil {
			return nil // that is how following ends
		}
		if err != nil && first {
			return err
		}
		if follow && f.dir == "" && f.filter.Action == "" {
			found = slices.DeleteFunc(found, func(l *audit.Line) bool { return l.Get("action") == followAction })
		}
		if err := a.printLines(found); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// printLines prints records as they stand in the files, or as one JSON object a line.
func (a *app) printLines(lines []*audit.Line) error {
	w := bufio.NewWriter(a.env.Stdout)
	for _, l := range lines {
		text := []byte(safe(l.Text))
		if a.output != "table" {
			text, _ = json.Marshal(l.Map())
			text = safeJSON(text)
		}
		_, _ = w.Write(append(text, '\n'))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// collect reads the records of every trail from the number in next on, which it moves along; begin is where a trail that is
// not in next begins, 0 for its last records. They are merged by time.
func (a *app) collect(ctx context.Context, f *recordFlags, next map[string]uint64, begin uint64, limit int) (all []*audit.Line, err error) {
	take := func(master string, read reader) error {
		from, known := next[master]
		if !known {
			from = begin
		}
		found, after, err := readOn(read, from, limit)
		all, next[master] = append(all, found...), after
		return err
	}
	if f.dir != "" {
		err = f.eachTrail(take)
	} else {
		err = a.eachMaster(ctx, func(m client.Master, c *client.Client) error { return take(m.ID, f.remote(ctx, c)) })
	}
	slices.SortStableFunc(all, func(x, y *audit.Line) int {
		if x.Master == y.Master {
			return cmp.Compare(x.Sequence, y.Sequence)
		}
		return x.Time.Compare(y.Time)
	})
	return all, err
}

// reader reads a page of a trail: up to limit records from a number on, the number to go on with, and whether there is more.
type reader func(from uint64, limit int) (found []*audit.Line, next uint64, more bool, err error)

// readOn reads pages until there is enough, or nothing more.
func readOn(read reader, from uint64, limit int) (all []*audit.Line, next uint64, err error) {
	for more := true; more && len(all) < limit; from = next {
		var found []*audit.Line
		if found, next, more, err = read(from, min(auditPage, limit-len(all))); err != nil {
			return all, from, err
		}
		all = append(all, found...)
	}
	return all, next, nil
}

// eachTrail reads the trails in the directory.
func (f *recordFlags) eachTrail(take func(string, reader) error) error {
	masters, err := audit.Masters(f.dir)
	if err == nil && len(masters) == 0 {
		err = fmt.Errorf("there is no audit file in %s", f.dir)
	}
	if err != nil {
		return fail(StatusFailed, err, "")
	}
	for _, master := range masters {
		if err := take(master, f.local(master)); err != nil {
			return err
		}
	}
	return nil
}

func (f *recordFlags) local(master string) reader {
	return func(from uint64, limit int) ([]*audit.Line, uint64, bool, error) {
		end, err := audit.End(f.dir, master)
		if err != nil {
			return nil, 0, false, err
		}
		if from == 0 {
			from = end - min(end, uint64(limit)) + 1
		}
		found, next, err := audit.Read(f.dir, master, from, limit, f.filter)
		return found, next, next <= end, err
	}
}

func (f *recordFlags) remote(ctx context.Context, c *client.Client) reader {
	return func(from uint64, limit int) ([]*audit.Line, uint64, bool, error) {
		var page struct {
			Next, End uint64
			Array     []string
		}
		_, err := c.Do(ctx, client.Request{Method: http.MethodGet, Path: "/gatehouse/v1/audit/records", Query: f.query(from, limit), Into: &page})
		var found []*audit.Line
		for _, text := range page.Array {
			if l, err := audit.Parse(text); err == nil {
				found = append(found, l)
			}
		}
		return found, page.Next, page.Next <= page.End, err
	}
}

func (f *recordFlags) query(from uint64, limit int) url.Values {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if from > 0 {
		q.Set("from", strconv.FormatUint(from, 10))
	}
	for _, p := range []pair{{"uid", f.filter.UID}, {"action", f.filter.Action}, {"object", f.filter.Object}, {"result", f.filter.Result},
		{"request", f.filter.Request}} {
		if p.value != "" {
			q.Set(p.name, p.value)
		}
	}
	if !f.filter.Since.IsZero() {
		q.Set("since", f.filter.Since.Format(time.RFC3339))
	}
	if !f.filter.Until.IsZero() {
		q.Set("until", f.filter.Until.Format(time.RFC3339))
	}
	return q
}

// records shows found records.
func records(lines []*audit.Line) view {
	t := &table{columns: []column{{head: "TIME"}, {head: "CLIENT"}, {head: "UID"}, {head: "ACTION"}, {head: "OBJECT", soft: true}, {head: "RESULT"},
		{head: "REASON", soft: true}, {head: "STAGE"}, {head: "REQUEST", soft: true}}}
	list := array[map[string]string]{Array: []map[string]string{}}
	for _, l := range lines {
		list.Array = append(list.Array, l.Map())
		t.add(l.Get("timestamp"), l.Get("srcip"), l.Get("uid"), l.Get("action"), l.Get("object"), l.Get("result"), l.Get("reason"), l.Get("stage"), l.Get("request"))
	}
	return view{list, t.render}
}
