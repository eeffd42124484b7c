package state

import (
	"cmp"
	"iter"
	"math"
	"strings"
)

// MaxRotations is how many heads of rotated audit files are remembered per master; the oldest go first.
const MaxRotations = 1000

func byMaster(a, b *AuditHead) bool {
	return cmp.Or(strings.Compare(a.Master, b.Master), cmp.Compare(a.Sequence, b.Sequence)) < 0
}

// AuditHeads yields the heads of all masters by master and sequence: per master those of rotated files, and the newest.
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

// PutAuditHead makes the head the newest of its master, whose sequence must not be above it. The one before is forgotten
// unless a file ended with it.
func (t *Txn) PutAuditHead(h AuditHead) {
	if prev, ok := t.AuditHead(h.Master); ok {
		if prev.Sequence == h.Sequence {
			h.Rotated = h.Rotated || prev.Rotated
		} else if !prev.Rotated {
			remove(&t.undo, &t.heads, &prev)
		}
	}
	set(&t.undo, &t.heads, &h)
	if h.Rotated {
		t.dropOldRotations(h.Master)
	}
}

func (t *Txn) dropOldRotations(master string) {
	var kept []*AuditHead
	t.heads.t.Ascend(&AuditHead{Master: master}, func(h *AuditHead) bool {
		if h.Master != master {
			return false
		}
		kept = append(kept, h)
		return true
	})
	for _, h := range kept[:max(0, len(kept)-MaxRotations)] {
		remove(&t.undo, &t.heads, h)
	}
}
