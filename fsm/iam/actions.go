package iam

import (
	"strings"

	"gatehouse/fsm/fault"
)

// Actions is a set of actions. A single action is a set of one.
type Actions uint8

// The fixed set of actions (contract 3.1). Full implies the others.
const (
	Create Actions = 1 << iota
	Read
	Update
	Delete
	Full

	// AnyAction is the set of them all.
	AnyAction = Create | Read | Update | Delete | Full
)

// actionNames is in the order of the bits, which is the order of every listing.
var actionNames = [...]string{"create", "read", "update", "delete", "full"}

// ParseAction returns the action of that name, or ERR_INVALID_ACTION.
func ParseAction(name string) (Actions, error) {
	for i, n := range actionNames {
		if n == name {
			return 1 << i, nil
		}
	}
	return 0, fault.New(fault.InvalidAction, "Invalid action: %s", name)
}

// Has reports whether all of b is in a.
func (a Actions) Has(b Actions) bool { return a&b == b }

// Names lists the actions of the set in their fixed order.
func (a Actions) Names() []string {
	var names []string
	for i, n := range actionNames {
		if a&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// String lists the set as "read,full".
func (a Actions) String() string { return strings.Join(a.Names(), ",") }

// MarshalText writes the set by names, so that a record stays readable when bits are added.
func (a Actions) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote. The empty set and repeated names are refused.
func (a *Actions) UnmarshalText(text []byte) error {
	*a = 0
	for name := range strings.SplitSeq(string(text), ",") {
		action, err := ParseAction(name)
		if err != nil {
			return err
		}
		if *a >= action {
			return fault.New(fault.InvalidAction, "Invalid action: %s is repeated or out of order", name)
		}
		*a |= action
	}
	return nil
}
