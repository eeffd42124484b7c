package main

import (
	"context"
	"sync/atomic"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
)

// The planted errors: what the build tags plant_stale_read and plant_lost_write do to a master. They show that the
// chaos run would notice such an error; without the tags nothing calls them and the compiler leaves them out.

// staleRead claims to know that nothing has been committed that this master does not have.
func (c clusterSeam) staleRead(context.Context) (httpapi.Read, error) {
	now := c.Node.Status()
	return httpapi.Read{Term: now.Term, Leader: now.Leader, Time: time.Now().UTC()}, nil
}

// lostEvery is how many changes of users there are to each that is lost.
const lostEvery = 40

var changes atomic.Uint64

// loses decides whether a command is acknowledged and forgotten.
func loses(c command.Command) bool {
	_, change := c.(command.UpdateUser)
	return change && changes.Add(1)%lostEvery == 0
}
