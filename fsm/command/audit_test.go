package command

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

func TestAuditHeadsOnlyGoForward(t *testing.T) {
	m := newHouse(t)
	head := func(master string, sequence uint64, hash byte, rotated bool) state.AuditHead {
		return state.AuditHead{Master: master, Sequence: sequence, Hash: state.Hash{hash}, Time: epoch, Rotated: rotated}
	}
	record := func(heads ...state.AuditHead) RecordAuditHeads { return RecordAuditHeads{Heads: heads} }
	m.must(record(head("s1", 5, 1, false), head("s2", 3, 2, false)))
	m.must(record(head("s1", 5, 1, false)))                          // again
	m.must(record(head("s1", 5, 1, true)))                           // a file ended there
	m.must(record(head("s1", 9, 3, false), head("s1", 12, 4, true))) // several of one master
	m.must(record(head("s1", 13, 5, false), head("s1", 14, 6, false)))
	m.refuse(record(head("s2", 4, 9, false), head("s1", 13, 5, false)), fault.Conflict)
	m.refuse(record(head("s1", 14, 7, false)), fault.Conflict)
	for _, broken := range []state.AuditHead{{}, head("", 1, 1, false), head("s3", 0, 1, false), {Master: "s3", Sequence: 1}} {
		m.refuse(record(broken), fault.InvalidData)
	}
	m.refuse(record(make([]state.AuditHead, MaxAuditHeads+1)...), fault.InvalidData)
	want := []state.AuditHead{head("s1", 5, 1, true), head("s1", 9, 3, false), head("s1", 12, 4, true), head("s1", 14, 6, false),
		head("s2", 3, 2, false)} // 13 came too soon after 9
	for i := range want {
		want[i].Told = m.s.Meta().Clock
	}
	if diff := cmp.Diff(want, slices.Collect(m.s.AuditHeads())); diff != "" {
		t.Errorf("heads (-want +got):\n%s", diff)
	}
	berlin := head("s3", 1, 1, false)
	berlin.Time = epoch.In(time.FixedZone("CET", 3600))
	m.refuse(record(berlin), fault.InvalidData)
}
