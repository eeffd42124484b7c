package cli

import (
	"fmt"
	"strings"
)

// pick finds the one item whose id is, or begins with, what somebody typed; an ellipsis at the end, as tables have it, does not matter.
func pick[T any](items []T, typed, what string, id func(T) string) (none T, err error) {
	start := strings.TrimSuffix(typed, "…")
	var found []T
	for _, item := range items {
		if id(item) == typed {
			return item, nil
		}
		if start != "" && strings.HasPrefix(id(item), start) {
			found = append(found, item)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return none, fmt.Errorf("there is no %s whose id begins with %s", what, safe(start))
	}
	return none, usage(fmt.Errorf("the ids of %d %ss begin with %s", len(found), what, safe(start)), "type more of it")
}
