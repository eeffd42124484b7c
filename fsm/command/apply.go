package command

import "gatehouse/fsm/state"

// Apply applies a command.
func Apply(t *state.Txn, raftTerm uint64, h Header, c Command) (Outcome, error) { panic("soon") }
