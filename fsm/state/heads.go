package state

import (
	"cmp"
	"iter"
	"math"
	"strings"
)

// How many heads are remembered per master, the newest of each kind: those that files ended with, to verify old files by, and
// those in between. A head that would be forgotten when the next one comes would let everything before it be told anew.
const (
	MaxRotations = 1000
	MaxHeads     = 10_000 // a week of minutes
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

// PutAuditHead makes the head the newest of its master, whose sequence must not be above it.
func (t *Txn) PutAuditHead(h AuditHead) {
	if prev, ok := t.AuditHead(h.Master); ok && prev.Sequence == h.Sequence {
		h.Rotated = h.Rotated || prev.Rotated
	}
	set(&t.undo, &t.heads, &h)
	t.forgetHeads(h.Master)
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
