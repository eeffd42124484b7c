package policyapi

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/httpapi"
)

const (
	queryPath     = "/acs/api/v1/internal/policyquery"
	authorizePath = "/gatehouse/v1/authorize"
	explainPath   = "/gatehouse/v1/explain"
)

// maxBatch bounds the body of many questions in bytes.
const maxBatch = 1 << 20

// Options is what this API needs.
type Options struct {
	// Rules returns the rules of the moment, nil when there are none. Nil means that there never are.
	Rules func() *Rules
	// Open lets every user ask for the reasons of others' rights, as --authorization open lets him read their permissions.
	Open bool
}

// API answers policy queries.
type API struct{ api }

type api struct {
	options     Options
	meter       *meter
	crossOrigin *http.CrossOriginProtection
}

// New makes the API.
func New(o Options) *API {
	if o.Rules == nil {
		o.Rules = func() *Rules { return nil }
	}
	return &API{api{options: o, meter: newMeter(), crossOrigin: http.NewCrossOriginProtection()}}
}

// Collectors are the metrics.
func (a *API) Collectors() []prometheus.Collector { return []prometheus.Collector{a.meter.all} }

// Routes returns the rows. All decisions are linearizable, whatever the request says: a revocation binds the next one.
func (a *API) Routes() []httpapi.Route {
	return []httpapi.Route{
		{ID: "iam.policyquery", Method: http.MethodGet, Path: queryPath, Access: httpapi.Query, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.query},
		{ID: "iam.policyquery.batch", Method: http.MethodPost, Path: queryPath, Access: httpapi.Query, Mode: httpapi.Linearizable,
			BodyLimit: maxBatch, ReadOnly: true, Bulk: true, NeedBody: true, Schema: batchSchema, Handle: a.queryMany},
		{ID: "gatehouse.authorize", Method: http.MethodGet, Path: authorizePath, Access: httpapi.User, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, ReadOnly: true, Handle: a.authorize},
		{ID: "gatehouse.authorize.batch", Method: http.MethodPost, Path: authorizePath, Access: httpapi.User, Mode: httpapi.Linearizable,
			BodyLimit: maxBatch, ReadOnly: true, Bulk: true, NeedBody: true, Schema: batchSchema, Handle: a.authorizeMany},
		{ID: "gatehouse.authorize.path", Method: httpapi.AnyMethod, Path: authorizePath + "/*path", Access: httpapi.User, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, ReadOnly: true, Handle: a.authorizePath},
		{ID: "gatehouse.explain", Method: http.MethodGet, Path: explainPath, Access: httpapi.User, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.explain},
	}
}
