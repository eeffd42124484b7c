package pageapi

import (
	"fmt"
	"math"
	"time"

	"gatehouse/fsm/fault"
)

// sentence says to a person what a fault says to a program.
func sentence(f *fault.Error) string {
	switch f.Code {
	case fault.InvalidCredentials:
		return "The user name or the password is wrong."
	case fault.LDAPAuthFailed:
		return "The directory could not be asked for your password. Try again later."
	case fault.Throttled:
		return "Too many attempts. Try again " + in(f.RetryAfter) + "."
	case fault.NoLeader, fault.LeaderChanged, fault.Busy, fault.DiskLow, fault.OutcomeUnknown:
		return "Nobody can sign in at the moment. Try again " + in(f.RetryAfter) + "."
	case fault.Internal:
		return "Something went wrong on our side. Try again, and tell your administrator if it happens again."
	}
	return f.Description
}

// in says when something may be tried again.
func in(wait time.Duration) string {
	switch seconds := int(math.Ceil(wait.Seconds())); {
	case seconds <= 1:
		return "in a moment"
	case seconds < 120:
		return fmt.Sprintf("in %d seconds", seconds)
	default:
		return fmt.Sprintf("in %d minutes", (seconds+59)/60)
	}
}
