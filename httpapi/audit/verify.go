package audit

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Testimony is what one witness, a master, says of the heads that it was told.
type Testimony struct {
	From  string `json:"from"` // who says so
	Heads []Head `json:"heads"`
}

// Fault is the kind of a problem.
type Fault string

// The kinds.
const (
	Altered   Fault = "altered"       // a line is not what it was when the next one was written
	Removed   Fault = "removed"       // records are missing inside
	Inserted  Fault = "inserted"      // a record does not belong where it stands
	Truncated Fault = "truncated"     // records are missing at the end
	Replaced  Fault = "replaced"      // the chain is whole, but it is not the one that the masters were told of
	Disputed  Fault = "disputed"      // the witnesses contradict each other
	Unvouched Fault = "unvouched"     // no witness knows the trail, though it is old enough to be known
	Early     Fault = "expired early" // retention removed records that were too young
)

// Problem is something that is wrong with a trail.
type Problem struct {
	Kind     Fault     `json:"kind"`
	File     string    `json:"file,omitempty"`
	Line     int       `json:"line,omitempty"` // in File, from 1
	Sequence uint64    `json:"sequence"`       // of the first record concerned
	Time     time.Time `json:"time,omitzero"`  // of the record, or of the head
	Text     string    `json:"text"`
}

// Verdict is what verifying the trail of one master came to.
type Verdict struct {
	Master  string `json:"master"`
	Files   int    `json:"files"`
	Records int    `json:"records"`
	First   uint64 `json:"first"` // number of the first record that is there
	Last    uint64 `json:"last"`
	// Vouched is the number of the last record up to which witnesses vouch for everything, and VouchedTime when they were told;
	// 0 if none does.
	Vouched     uint64    `json:"vouched"`
	VouchedTime time.Time `json:"vouched_time,omitzero"`
	// Young says that nobody vouches for any of it, and that it is too young for that.
	Young    bool      `json:"young,omitempty"`
	Problems []Problem `json:"problems"`
	Notes    []string  `json:"notes,omitempty"` // what is worth knowing and no problem
}

// Terms say what Verify takes for wrong.
type Terms struct {
	// MinAge is how old records must have been when retention removed them; 0 allows any age.
	MinAge time.Duration
	// Now is the wall clock.
	Now time.Time
}

// vouchedWithin is how old records get at most before all masters are told of them: they are told every minute.
const vouchedWithin = 3 * time.Minute

// maxProblems bounds the problems that are told of one master; further ones hardly tell more.
const maxProblems = 100

// Verify reads files and holds them against what witnesses were told. The heads must be older than the files: whoever
// verifies a trail that grows asks for the heads first. An error means that a file cannot be read.
func Verify(paths []string, said []Testimony, terms Terms) ([]Verdict, error) {
	byMaster := map[string][]file{}
	for _, path := range paths {
		f, ok := parseName(path)
		if !ok {
			return nil, fmt.Errorf("%s is no name of an audit file", path)
		}
		byMaster[f.master] = append(byMaster[f.master], f)
	}
	var verdicts []Verdict
	for _, master := range slices.Sorted(maps.Keys(byMaster)) {
		files := byMaster[master]
		slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.first, b.first) })
		w := &walk{verdict: Verdict{Master: master, Files: len(files), Problems: []Problem{}}, heads: map[uint64]Head{},
			terms: terms, witnesses: len(said)}
		w.hear(master, said)
		for i, f := range files {
			if err := w.file(f, i == len(files)-1); err != nil {
				return nil, err
			}
		}
		w.finish()
		verdicts = append(verdicts, w.verdict)
	}
	return verdicts, nil
}

// walk goes through the trail of one master.
type walk struct {
	verdict   Verdict
	terms     Terms
	witnesses int
	heads     map[uint64]Head
	newest    Head

	next    uint64 // the number that the next record should have; 0 before the first
	hash    Hash   // of the line before
	broken  bool   // the line before is known to be wrong, so what follows it cannot fit
	last    *Line
	first   time.Time // of the oldest record, by its own word
	latest  time.Time
	expired uint64   // what retention removed, as the trail tells
	early   *Problem // what it removed too early
	matched []Head   // heads that the records agree with, in their order
	differs bool     // a head was found to be another one
	before  Hash     // what the first record follows
}

// hear collects the heads of a master, and finds witnesses that contradict each other.
func (w *walk) hear(master string, said []Testimony) {
	from := map[uint64]string{}
	for _, t := range said {
		for _, h := range t.Heads {
			if h.Master != master {
				continue
			}
			known, twice := w.heads[h.Sequence]
			if twice && known.Hash != h.Hash {
				w.problem(Problem{Kind: Disputed, Sequence: h.Sequence, Time: h.Time,
					Text: fmt.Sprintf("%s and %s were told different hashes of record %d", from[h.Sequence], t.From, h.Sequence)})
				continue
			}
			w.heads[h.Sequence], from[h.Sequence] = h, t.From
			if h.Sequence > w.newest.Sequence {
				w.newest = h
			}
		}
	}
}

func (w *walk) problem(p Problem) {
	if len(w.verdict.Problems) < maxProblems {
		w.verdict.Problems = append(w.verdict.Problems, p)
	}
}

// file goes through one file.
func (w *walk) file(f file, isLast bool) error {
	return scan(f.path, func(number int, text string, whole bool) bool {
		at := Problem{File: filepath.Base(f.path), Line: number}
		switch l, err := Parse(text); {
		case !whole && isLast:
			w.verdict.Notes = append(w.verdict.Notes, at.File+" ends in an unfinished record: it is being written, or the master was killed")
			return false
		case err != nil || !whole:
			w.unreadable(at)
		case l.Master != f.master:
			at.Kind, at.Sequence, at.Time, at.Text = Inserted, w.next, l.Time, fmt.Sprintf("the line is a record of the master %s", l.Master)
			w.problem(at)
		default:
			w.record(l, at)
		}
		return true
	})
}

// unreadable takes a line that is no record as one whose text was altered.
func (w *walk) unreadable(at Problem) {
	at.Kind, at.Sequence, at.Text = Altered, w.next, "the line is no audit record"
	if w.last != nil {
		at.Time = w.last.Time
	}
	w.problem(at)
	if w.next > 0 {
		w.next++
	}
	w.broken = true
}

// record takes the next record of the chain.
func (w *walk) record(l *Line, at Problem) {
	at.Sequence, at.Time = l.Sequence, l.Time
	w.verdict.Records++
	switch {
	case w.next == 0:
		w.verdict.First, w.before = l.Sequence, l.Previous
		if l.Sequence == 1 && l.Previous != (Hash{}) {
			at.Kind, at.Text = Altered, "the first record says that another one was before it"
			w.problem(at)
		}
	case l.Sequence < w.next:
		at.Kind, at.Text = Inserted, fmt.Sprintf("record %d stands behind record %d: it was inserted, repeated or moved", l.Sequence, w.next-1)
		w.problem(at)
		return
	case l.Sequence > w.next && w.broken:
		// Several lines may have become one that is no record.
	case l.Sequence > w.next:
		at.Kind, at.Sequence, at.Text = Removed, w.next, fmt.Sprintf("records %d to %d are missing", w.next, l.Sequence-1)
		w.problem(at)
	case l.Previous != w.hash && !w.broken:
		w.mismatch(l, at)
	}
	w.compare(l, at)
	w.age(l)
	w.next, w.hash, w.broken, w.last = l.Sequence+1, l.Hash, false, l
	w.noteExpiry(l, at)
}

// age takes down between which times the records were made, by their own word.
func (w *walk) age(l *Line) {
	if w.first.IsZero() || l.Time.Before(w.first) {
		w.first = l.Time
	}
	if l.Time.After(w.latest) {
		w.latest = l.Time
	}
}

// mismatch reports a record that does not follow the one before it.
func (w *walk) mismatch(l *Line, at Problem) {
	at.Kind, at.Sequence, at.Text = Altered, l.Sequence-1, fmt.Sprintf("record %d is not what record %d was written after", l.Sequence-1, l.Sequence)
	if w.last != nil {
		at.Time = w.last.Time
	}
	w.problem(at)
}

// compare holds a record against the head with its number.
func (w *walk) compare(l *Line, at Problem) {
	h, told := w.heads[l.Sequence]
	switch {
	case !told:
	case h.Hash == l.Hash:
		w.matched = append(w.matched, h)
	case !w.differs:
		w.differs = true
		at.Kind, at.Sequence = Replaced, l.Sequence
		at.Text = fmt.Sprintf("the masters were told another record %d on %s: it, or one after record %d, was altered",
			l.Sequence, h.Time.UTC().Format(time.RFC3339), w.vouched(l.Sequence).Sequence)
		w.problem(at)
	}
}

// noteExpiry takes down what the trail says about removed files.
func (w *walk) noteExpiry(l *Line, at Problem) {
	var from, to uint64
	if l.Get("action") != actionExpire || l.Get("component") == "" {
		return
	}
	if n, _ := fmt.Sscanf(l.Get("reason"), expireReason, &from, &to); n != 2 {
		return
	}
	w.expired = max(w.expired, to)
	_, text, _ := strings.Cut(l.Get("reason"), expireTime)
	end, err := time.Parse(timeFormat, text)
	if age := l.Time.Sub(end); err != nil || w.terms.MinAge == 0 || age >= w.terms.MinAge {
		return
	}
	if w.early == nil {
		at.Kind, at.Sequence = Early, from
		w.early = &at
	}
	w.early.Text = fmt.Sprintf("retention removed records %d to %d before they were %s old: the trail was flooded, or is too small",
		w.early.Sequence, to, w.terms.MinAge)
}

// finish looks at both ends of the trail.
func (w *walk) finish() {
	v := &w.verdict
	if w.last != nil {
		v.Last = w.last.Sequence
	}
	if w.newest.Sequence > v.Last {
		w.problem(Problem{Kind: Truncated, Sequence: v.Last + 1, Time: w.newest.Time,
			Text: fmt.Sprintf("records %d to %d are missing at the end: the masters were told of them on %s", v.Last+1, w.newest.Sequence,
				w.newest.Time.UTC().Format(time.RFC3339))})
	}
	bySequence := func(a, b Problem) int { return cmp.Compare(a.Sequence, b.Sequence) }
	slices.SortStableFunc(v.Problems, bySequence)
	before := uint64(math.MaxUint64)
	if len(v.Problems) > 0 {
		before = v.Problems[0].Sequence
	}
	head := w.vouched(before)
	v.Vouched, v.VouchedTime = head.Sequence, head.Time
	w.unknown()
	w.beginning() // what is missing there makes nothing after it doubtful
	if w.early != nil {
		w.problem(*w.early)
	}
	slices.SortStableFunc(v.Problems, bySequence)
}

// unknown looks for a trail that nobody knows. A young one may not have been told of yet; times from the future make none young.
func (w *walk) unknown() {
	v := &w.verdict
	if w.witnesses == 0 || w.last == nil || v.Vouched > 0 || len(v.Problems) > 0 {
		return
	}
	if w.terms.Now.Sub(w.first) <= vouchedWithin && w.latest.Sub(w.terms.Now) <= vouchedWithin {
		v.Young = true
		return
	}
	w.problem(Problem{Kind: Unvouched, Sequence: v.First, Time: w.first,
		Text: fmt.Sprintf("no master vouches for any record of %s, and they are older than %s", v.Master, vouchedWithin)})
}

// Absent names the masters that witnesses were told of and none of whose files is among the paths, and their newest heads.
func Absent(paths []string, said []Testimony) (newest []Head) {
	present, known := map[string]bool{}, map[string]Head{}
	for _, path := range paths {
		f, _ := parseName(path)
		present[f.master] = true
	}
	for _, t := range said {
		for _, h := range t.Heads {
			if !present[h.Master] && h.Sequence > known[h.Master].Sequence {
				known[h.Master] = h
			}
		}
	}
	for _, master := range slices.Sorted(maps.Keys(known)) {
		newest = append(newest, known[master])
	}
	return newest
}

// beginning looks for records that are missing before the first: retention may have removed them, and the trail says so then.
func (w *walk) beginning() {
	v := &w.verdict
	if v.First <= 1 {
		return
	}
	if w.expired+1 < v.First {
		w.problem(Problem{Kind: Removed, Sequence: w.expired + 1,
			Text: fmt.Sprintf("records %d to %d are missing at the beginning, and no retention has removed them", w.expired+1, v.First-1)})
		return
	}
	v.Notes = append(v.Notes, fmt.Sprintf("retention has removed the records before %d", v.First))
	if h, told := w.heads[v.First-1]; told && h.Hash != w.before {
		w.problem(Problem{Kind: Replaced, Sequence: v.First, Time: h.Time,
			Text: fmt.Sprintf("record %d does not follow the record %d that the masters were told of", v.First, v.First-1)})
	}
}

// vouched is the last head before a record with which the trail agrees; the zero Head if there is none.
func (w *walk) vouched(before uint64) (last Head) {
	for _, h := range w.matched {
		if h.Sequence < before {
			last = h
		}
	}
	return last
}
