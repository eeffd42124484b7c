package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/client"
)

// defaultAuditDir is where a master with default settings keeps its audit trail.
const defaultAuditDir = "/var/lib/gatehouse/audit"

func (a *app) auditCommand() *cobra.Command {
	cmd := Group(&cobra.Command{
		Use: "audit", Short: "The audit trail: verify, tail, search, heads",
		Long: "The audit trail of the masters: who was allowed or refused what, and what was changed. Every master keeps a\n" +
			"trail of its own, and all masters remember the heads of all trails, so that nobody can alter one unseen.\n" +
			"docs/audit.md explains the records, and what verifying proves.",
		Example: "  gatehouse audit tail -f\n  gatehouse audit search --uid alice --result deny\n  gatehouse audit verify --dir /var/lib/gatehouse/audit",
	})
	cmd.AddCommand(a.auditVerifyCommand(), a.auditHeadsCommand(), a.auditTailCommand(), a.auditSearchCommand())
	return a.common(cmd)
}

func (a *app) auditHeadsCommand() *cobra.Command {
	cmd := a.verb("heads", "Show what every master knows of the heads of the trails", "  gatehouse audit heads --output json > heads.json", NoArgs, nil)
	cmd.Long = "Asks every master for the heads of all trails that it knows. Save them as JSON somewhere safe: copies of the files\n" +
		"can be verified with them when no master is at hand (audit verify --heads FILE)."
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		said, err := a.testimony(cmd.Context(), *socket)
		if err != nil {
			return err
		}
		t := &table{columns: []column{{head: "SAID BY"}, {head: "MASTER"}, {head: "RECORD", right: true}, {head: "TOLD"}, {head: "HASH", soft: true}}}
		for _, s := range said {
			for _, h := range newest(s.Heads) {
				t.add(s.From, h.Master, fmt.Sprint(h.Sequence), timestamp(h.Time), h.Hash.String())
			}
		}
		return a.show(view{listOf(said), t.render})
	}
	return cmd
}

// newest are the newest heads of each master: the others are hardly for people.
func newest(heads []audit.Head) (out []audit.Head) {
	for _, h := range heads {
		i := slices.IndexFunc(out, func(o audit.Head) bool { return o.Master == h.Master })
		switch {
		case i < 0:
			out = append(out, h)
		case out[i].Sequence < h.Sequence:
			out[i] = h
		}
	}
	return out
}

func socketFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("admin-socket", "", "ask the master on this host through its admin socket, `PATH`, without a login")
}

// testimony asks for the heads: every master, or the one behind an admin socket. The heads are those of one moment at least as
// late as the call.
func (a *app) testimony(ctx context.Context, socket string) ([]audit.Testimony, error) {
	if socket != "" {
		return a.socketTestimony(ctx, socket)
	}
	var said []audit.Testimony
	err := a.eachMaster(ctx, func(m client.Master, c *client.Client) error {
		heads, err := headsOf(ctx, c, "/gatehouse/v1/audit/heads", false)
		if err == nil {
			said = append(said, audit.Testimony{From: m.Name, Heads: heads})
		}
		return err
	})
	return said, err
}

func (a *app) socketTestimony(ctx context.Context, socket string) ([]audit.Testimony, error) {
	c, err := client.New(client.Options{Addresses: []string{"http://admin"}, HTTPClient: a.env.AdminSocket(socket), Patience: -1})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	heads, err := headsOf(ctx, c, "/gatehouse/v1/audit/socket/heads", true)
	if err != nil {
		return nil, fail(StatusUnavailable, fmt.Errorf("ask for the heads through %s: %w", socket, err), "is it the admin socket of a master that runs?")
	}
	return []audit.Testimony{{From: "the master on this host", Heads: heads}}, nil
}

func headsOf(ctx context.Context, c *client.Client, path string, public bool) ([]audit.Head, error) {
	var list array[audit.Head]
	_, err := c.Do(ctx, client.Request{Method: http.MethodGet, Path: path, Into: &list, Public: public})
	return list.Array, err
}

// eachMaster calls ask for every master, at its own address, with the login of the cluster. A master that does not answer is
// told of, once, and passed over; that nobody answers is an error.
func (a *app) eachMaster(ctx context.Context, ask func(client.Master, *client.Client) error) error {
	t, err := a.find(false)
	if err != nil {
		return err
	}
	return a.with(ctx, t, loggedIn, func(c *client.Client) error {
		masters, err := c.Masters(ctx)
		if err != nil {
			return err
		}
		token, err := c.Token(ctx)
		if err != nil {
			return err
		}
		answered := 0
		var last error
		for _, m := range masters {
			err := a.askMaster(t, token, m, ask)
			switch {
			case err == nil:
				answered++
			case client.Unavailable(err) || errors.Is(err, errNoAddress):
				last = err
				fmt.Fprintf(a.env.Stderr, "Warning: the master %s does not answer: %s\n", safe(m.Name), safe(cause(err).Error()))
			default:
				return err
			}
		}
		if answered == 0 {
			return last
		}
		return nil
	})
}

var errNoAddress = errors.New("it has no address for clients")

func (a *app) askMaster(t *target, token string, m client.Master, ask func(client.Master, *client.Client) error) error {
	if m.API == "" {
		return errNoAddress
	}
	o := a.options(t)
	o.Addresses, o.Token, o.Patience = []string{m.API}, token, -1
	c, err := client.New(o)
	if err != nil {
		return err
	}
	defer c.Close()
	return ask(m, c)
}

// readHeads reads what audit heads has printed as JSON.
func readHeads(path string) ([]audit.Testimony, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usage(fmt.Errorf("--heads: %w", err), "")
	}
	var list array[audit.Testimony]
	if err := json.Unmarshal(text, &list); err != nil || len(list.Array) == 0 {
		return nil, usage(fmt.Errorf("--heads: %s does not hold heads", path), "make it with: gatehouse audit heads --output json > "+quote(path))
	}
	return list.Array, nil
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := a.verb("verify [FILE…]", "Find out whether audit files were altered", "  gatehouse audit verify --dir /var/lib/gatehouse/audit\n"+
		"  gatehouse audit verify --dir /var/lib/gatehouse/audit --admin-socket /var/lib/gatehouse/admin.sock\n"+
		"  gatehouse audit verify --heads heads.json copies/*.log", cobra.ArbitraryArgs, nil)
	cmd.Long = "Reads audit files, computes their chain anew, and compares it with the heads that all masters were told: finds\n" +
		"records that were altered, removed, inserted or moved, a tail that was cut off, and a chain that was made anew. Says up to\n" +
		"which record the masters vouch for the trail. The exit status is 1 when anything is wrong."
	cmd.Flags().StringVar(&o.dir, "dir", defaultAuditDir, "the audit `DIRECTORY`, when no files are named")
	cmd.Flags().StringVar(&o.heads, "heads", "", "compare with the heads in `FILE` that audit heads has printed, and ask nobody")
	cmd.Flags().DurationVar(&o.minAge, "min-age", audit.MinAge, "records that retention removed were at least this `AGE`; 0 allows any")
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		o.socket = *socket
		return a.auditVerify(cmd.Context(), files, o)
	}
	return cmd
}

// verifyOptions are the flags of audit verify.
type verifyOptions struct {
	dir, heads, socket string
	minAge             time.Duration
}

func (a *app) auditVerify(ctx context.Context, files []string, o verifyOptions) error {
	said, err := []audit.Testimony(nil), error(nil)
	if o.heads != "" {
		said, err = readHeads(o.heads)
	} else {
		said, err = a.testimony(ctx, o.socket)
	}
	if err != nil {
		return err
	}
	if len(files) == 0 { // after the heads: the trail may grow
		if files, err = audit.Files(o.dir); err == nil && len(files) == 0 {
			err = fmt.Errorf("there is no audit file in %s", o.dir)
		}
	}
	if err != nil {
		return fail(StatusFailed, err, "name the directory with --dir DIRECTORY, or the files")
	}
	verdicts, err := audit.Verify(files, said, audit.Terms{MinAge: o.minAge, Now: a.env.Now()})
	if err != nil {
		return fail(StatusFailed, err, "")
	}
	r := verifiedBy(said, verdicts, audit.Absent(files, said))
	if err := a.show(view{r, func(int) string { return r.text() }}); err != nil {
		return err
	}
	if r.wrong {
		return errSaid
	}
	return nil
}

// verified is the answer of audit verify.
type verified struct {
	Sound     bool            `json:"sound"` // nothing is wrong, and masters vouch for every trail
	Witnesses []string        `json:"witnesses"`
	Verdicts  []audit.Verdict `json:"verdicts"`
	Notes     []string        `json:"notes,omitempty"`

	wrong bool
}

func verifiedBy(said []audit.Testimony, verdicts []audit.Verdict, absent []audit.Head) verified {
	r := verified{Sound: true, Verdicts: verdicts, Witnesses: []string{}}
	for _, h := range absent {
		r.Notes = append(r.Notes, fmt.Sprintf("no file of the master %s is among these, though masters know of %d records of it", h.Master, h.Sequence))
	}
	for _, s := range said {
		r.Witnesses = append(r.Witnesses, s.From)
	}
	for _, v := range verdicts {
		r.wrong = r.wrong || len(v.Problems) > 0
		r.Sound = r.Sound && len(v.Problems) == 0 && !v.Young
	}
	return r
}

func (r verified) text() string {
	var b strings.Builder
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "Master %s: %s in %s, %d to %d.\n", safe(v.Master), count(v.Records, "record"), count(v.Files, "file"), v.First, v.Last)
		for _, note := range v.Notes {
			fmt.Fprintf(&b, "  Note: %s.\n", safe(note))
		}
		for _, p := range v.Problems {
			fmt.Fprintf(&b, "  %s: %s%s.\n", strings.ToUpper(string(p.Kind)), safe(p.Text), where(p))
		}
		switch {
		case v.Young:
			b.WriteString("  It is too young to be vouched for: verify it again in a few minutes.\n")
		case v.Vouched == 0:
			b.WriteString("  No master vouches for any of it.\n")
		default:
			fmt.Fprintf(&b, "  Vouched for up to record %d, as told on %s.\n", v.Vouched, timestamp(v.VouchedTime))
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "Note: %s.\n", safe(note))
	}
	verdict := "SOUND"
	switch {
	case r.wrong:
		verdict = "NOT SOUND"
	case !r.Sound:
		verdict = "TOO YOUNG to be vouched for"
	}
	fmt.Fprintf(&b, "%s, by the word of %s.\n", verdict, safe(strings.Join(r.Witnesses, ", ")))
	return b.String()
}

func where(p audit.Problem) (text string) {
	if p.File != "" {
		text = fmt.Sprintf(" (%s, line %d", safe(p.File), p.Line)
		if !p.Time.IsZero() {
			text += ", " + timestamp(p.Time)
		}
		text += ")"
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
