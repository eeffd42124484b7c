package storeapi

import "gatehouse/httpapi"

// Options is what the handlers are made of.
type Options struct{}

// API serves the stores of one master.
type API struct{ Options }

// New makes the API.
func New(o Options) *API { return &API{o} }

// Routes are the rows of this package.
func (a *API) Routes() []httpapi.Route { return nil }
