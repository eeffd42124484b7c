package secretsapi

import "gatehouse/fsm/state"

// Hub wakes those who watch secrets.
type Hub struct{}

// NewHub makes a Hub.
func NewHub() *Hub { return &Hub{} }

// Published is called with every new state, before anybody learns that it is there.
func (*Hub) Published(*state.State) {}

// Close ends all watches and lets no new one begin: the master stops.
func (*Hub) Close() {}
