package storeapi

import "github.com/prometheus/client_golang/prometheus"

// collector tells of every store: what the state says, and what this master has of it. Of data keys tells the duty that looks after
// them. Names of stores are chosen by superusers.
type collector struct {
	api *API

	sealed, open, epoch, progress, secrets, deleted, versions, bytes *prometheus.Desc
}

// Collectors are the metrics of stores.
func (a *API) Collectors() []prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_store_"+name, help, []string{"store"}, nil)
	}
	return []prometheus.Collector{&collector{
		api:      a,
		sealed:   desc("sealed", "1 if the store is sealed in the whole cluster, or not initialised."),
		open:     desc("open", "1 if this master has the keys of the store."),
		epoch:    desc("epoch", "Number that grows with every seal and unseal of the store."),
		progress: desc("unseal_progress", "Shares that the leader has gathered to unseal the store; 0 on other masters."),
		secrets:  desc("secrets", "Secrets in the store that are not deleted."),
		deleted:  desc("deleted_secrets", "Deleted secrets in the store that can be brought back."),
		versions: desc("versions", "Versions of secrets in the store."),
		bytes:    desc("bytes", "Size of all versions of secrets in the store, encrypted."),
	}}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.sealed, c.open, c.epoch, c.progress, c.secrets, c.deleted, c.versions, c.bytes} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	state := c.api.Machine.State()
	for s := range state.Stores() {
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Name)
		}
		n := state.StoreCounts(s.Name)
		epoch, here := c.api.Barrier.Open(s.Name)
		gauge(c.sealed, number(!s.Open()))
		gauge(c.open, number(here && epoch == s.Epoch))
		gauge(c.epoch, float64(s.Epoch))
		gauge(c.progress, float64(c.api.desk.gathered(s.Name)))
		gauge(c.secrets, float64(n.Live))
		gauge(c.deleted, float64(n.Deleted))
		gauge(c.versions, float64(n.Versions))
		gauge(c.bytes, float64(n.Bytes))
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
