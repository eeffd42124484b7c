package secretsapi

import "gatehouse/httpapi"

func (a *api) routes() []httpapi.Route { return nil }
