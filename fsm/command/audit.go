package command

import (
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

// MaxAuditHeads is how many heads one command may record.
const MaxAuditHeads = 256

// RecordAuditHeads records how far the audit trails of masters reach and what they hash to, so that a trail that is
// altered or cut afterwards disagrees with all masters.
type RecordAuditHeads struct {
	Heads []state.AuditHead `json:"heads"`
}

// Kind numbers the command.
func (RecordAuditHeads) Kind() Kind { return KindRecordAuditHeads }

// Apply refuses a head that is older than what the same master recorded, and one that tells its past anew.
func (c RecordAuditHeads) Apply(t *state.Txn, _ Header) error {
	if len(c.Heads) > MaxAuditHeads {
		return fault.New(fault.InvalidData, "At most %d audit heads at once.", MaxAuditHeads)
	}
	for _, head := range c.Heads {
		if err := recordHead(t, head); err != nil {
			return err
		}
	}
	return nil
}

func recordHead(t *state.Txn, head state.AuditHead) error {
	if head.Master == "" || head.Sequence == 0 || head.Time.IsZero() || head.Time.Location() != time.UTC {
		return fault.New(fault.InvalidData, "An audit head needs a master, a sequence number and a time in UTC.")
	}
	newest, known := t.AuditHead(head.Master)
	switch {
	case known && head.Sequence < newest.Sequence:
		return fault.New(fault.Conflict, "The audit trail of %s reached record %d already, %d is in the past.", head.Master, newest.Sequence, head.Sequence)
	case known && head.Sequence == newest.Sequence && head.Hash != newest.Hash:
		return fault.New(fault.Conflict, "The audit trail of %s has another record %d than before.", head.Master, head.Sequence)
	}
	t.PutAuditHead(head)
	return nil
}
