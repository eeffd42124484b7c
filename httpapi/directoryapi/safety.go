package directoryapi

import (
	"fmt"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

// many is how many users, groups or memberships may go before it is asked whether that is more than half of them.
const many = 10

// settle says who leaves which group: users who are gone leave every one anyway. A group that would lose all of many members is left
// alone: usually it is their entries, or the attribute, that cannot be seen.
func (p *plan) settle() {
	gone := map[string]bool{}
	for _, uid := range p.goneUsers {
		gone[uid] = true
	}
	for _, left := range p.leaving {
		var leave []state.Membership
		for _, uid := range left.uids {
			if !gone[uid] {
				leave = append(leave, state.Membership{GID: left.gid, UID: uid})
			}
		}
		if len(left.uids) == left.all && len(leave) >= many && !p.force {
			p.skip(fmt.Sprintf("group %s: none of its %d members is left; if that is right, ask for it with `force`", left.gid, left.all))
			continue
		}
		p.leave = append(p.leave, leave...)
	}
}

// refuse says that too much is missing to believe it: more than half of all users, groups or memberships, and ten at least; or all of
// several users or groups. Somebody may have moved the entries, or taken the rights of the lookup account.
func (p *plan) refuse() error {
	var missing []string
	for _, kind := range []struct {
		name      string
		gone, all int
		whole     bool // that all are gone is too much, however few they are
	}{
		{"users", len(p.goneUsers), p.allUsers, true}, {"groups", len(p.goneGroups), p.allGroups, true},
		{"memberships", len(p.leave), p.allMembers, false},
	} {
		if kind.gone >= many && 2*kind.gone > kind.all || kind.whole && kind.gone > 1 && kind.gone == kind.all {
			missing = append(missing, fmt.Sprintf("%d of %d %s", kind.gone, kind.all, kind.name))
		}
	}
	if len(missing) == 0 || p.force {
		return nil
	}
	return fault.New(fault.Conflict, "The directory does not have %s any more. Nothing was changed. If that is right, ask for it with `force`.", strings.Join(missing, " and "))
}

func (p *plan) removals() int { return len(p.leave) + len(p.goneUsers) + len(p.goneGroups) }

// keep removes nothing this time: another configuration sees other entries, and somebody shall have the time to notice.
func (p *plan) keep() {
	if p.force || p.removals() == 0 {
		return
	}
	p.skip(fmt.Sprintf("the LDAP configuration is new: %d users, %d groups and %d memberships that the directory does not have stay until the next synchronisation",
		len(p.goneUsers), len(p.goneGroups), len(p.leave)))
	p.leave, p.goneUsers, p.goneGroups = nil, nil, nil
}
