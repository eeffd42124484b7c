package state

import (
	"cmp"
	"iter"
	"math"
	"strings"
	"time"
)

// How many heads are remembered per master, the newest of each kind: those that files ended with, to verify old files by, and
// those in between. A head that would be forgotten when the next one comes would let everything before it be told anew.
const (
	MaxRotations = 1000
	MaxHeads     = 10_000 // a week of minutes
)

// How far remembered heads of a kind lie apart, by the state's clock. A master that tells as much as it can needs more than two
// days to have the oldest forgotten; what it tells in between takes the place of its own newest head.
const (
	rotationSpacing = 5 * time.Minute
	headSpacing     = 45 * time.Second // less than a minute, after which an honest master tells the next
)

func byMaster(a, b *AuditHead) bool {
	return cmp.Or(strings.Compare(a.Master, b.Master), cmp.Compare(a.Sequence, b.Sequence)) < 0
}

// AuditHeads yields the heads of all masters by master and sequence: per master those of rotated files and the newest ones.
func (d *data) AuditHeads() iter.Seq[AuditHead] {
	return func(yield func(AuditHead) bool) {
		d.heads.t.Scan(func(h *AuditHead) bool { return yield(*h) })
	}
}

// AuditHead returns the newest head of the master.
func (d *data) AuditHead(master string) (newest AuditHead, ok bool) {
	d.heads.t.Descend(&AuditHead{Master: master, Sequence: math.MaxUint64}, func(h *AuditHead) bool {
		if h.Master == master {
			newest, ok = *h, true
		}
		return false
	})
	return newest, ok
}

// PutAuditHead makes the head the newest of its master, whose sequence must not be above it, and sets its Told.
func (t *Txn) PutAuditHead(h AuditHead) {
	h.Told = t.meta.Clock
	if prev, ok := t.AuditHead(h.Master); ok && prev.Sequence == h.Sequence {
		h.Told, h.Rotated = prev.Told, h.Rotated || prev.Rotated
	}
	set(&t.undo, &t.heads, &h)
	t.settleHead(h)
	t.forgetHeads(h.Master)
}

// settleHead decides whether the head before this one, which is not the newest of its kind any more, stays. The end of a file
// that is too close to the one before it counts as any other head from then on.
func (t *Txn) settleHead(next AuditHead) {
	h, ok := t.headBefore(next)
	if !ok || !t.crowded(h) {
		return
	}
	remove(&t.undo, &t.heads, &h)
	if h.Rotated {
		h.Rotated = false
		if !t.crowded(h) {
			set(&t.undo, &t.heads, &h)
			t.settleHead(h)
		}
	}
}

// crowded says whether the head came too soon after the one before it.
func (t *Txn) crowded(h AuditHead) bool {
	spacing := headSpacing
	if h.Rotated {
		spacing = rotationSpacing
	}
	prev, ok := t.headBefore(h)
	return ok && h.Told.Sub(prev.Told) < spacing
}

// headBefore returns the newest head of the same master and kind with a lower sequence.
func (d *data) headBefore(h AuditHead) (prev AuditHead, ok bool) {
	d.heads.t.Descend(&h, func(p *AuditHead) bool {
		if p.Master != h.Master {
			return false
		}
		if p.Sequence < h.Sequence && p.Rotated == h.Rotated {
			prev, ok = *p, true
		}
		return !ok
	})
	return prev, ok
}

// forgetHeads drops the oldest heads of a master beyond the limits.
func (t *Txn) forgetHeads(master string) {
	var old []*AuditHead
	rotations, others := 0, 0
	t.heads.t.Descend(&AuditHead{Master: master, Sequence: math.MaxUint64}, func(h *AuditHead) bool {
		if h.Master != master {
			return false
		}
		count, most := &others, MaxHeads
		if h.Rotated {
			count, most = &rotations, MaxRotations
		}
		if *count++; *count > most {
			old = append(old, h)
		}
		return true
	})
	for _, h := range old {
		remove(&t.undo, &t.heads, h)
	}
}
