package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

// dropUnused drops the data keys with which nothing has been sealed for a while.
func (r *reencrypter) dropUnused(ctx context.Context, store string) error {
	s, ok := r.state().Store(store)
	if !ok || !s.Open() {
		return nil
	}
	drop := command.DropDataKeys{Name: store}
	for _, k := range s.Seal.Keys {
		if r.unusedLongEnough(s, k.Term) {
			drop.Terms = append(drop.Terms, k.Term)
		}
	}
	if len(drop.Terms) == 0 {
		return nil
	}
	if err := r.submit(ctx, drop); err != nil {
		return err
	}
	r.log.Info("data keys dropped", "store", store, "terms", drop.Terms)
	return nil
}

// unusedLongEnough remembers since when a key is not in use. The one that seals always is.
func (r *reencrypter) unusedLongEnough(s *secret.Store, term uint32) bool {
	key := dataKey{s.Name, s.RootID(), term}
	if term == s.Term() || r.state().TermUse(s.Name, term) > 0 {
		delete(r.unused, key)
		return false
	}
	since, known := r.unused[key]
	if !known {
		since = r.now()
		r.unused[key] = since
	}
	return r.now().Sub(since) >= unusedFor
}

// reencryptMeter tells how far the data keys are: what there is, from the state, on every master; what was sealed anew, on the
// leader that did it.
type reencryptMeter struct {
	state                func() *state.State
	done                 *prometheus.CounterVec
	keys, sealings, left *prometheus.Desc
}

func newReencryptMeter(current func() *state.State) *reencryptMeter {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"store"}, nil)
	}
	return &reencryptMeter{
		state: current,
		done: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatehouse_secrets_reencrypted_total",
			Help: "Versions of secrets that this master has sealed anew with the newest data key."}, []string{"store"}),
		keys:     desc("gatehouse_store_data_keys", "Data keys of the store."),
		sealings: desc("gatehouse_store_data_key_sealings", "Values that the newest data key has sealed; it is replaced after 2^31."),
		left:     desc("gatehouse_store_reencryption_pending", "Versions of secrets that an older data key has sealed."),
	}
}

func (m *reencryptMeter) add(store string, versions int) {
	m.done.WithLabelValues(store).Add(float64(versions))
}

// Describe is a prometheus.Collector's.
func (m *reencryptMeter) Describe(out chan<- *prometheus.Desc) {
	m.done.Describe(out)
	out <- m.keys
	out <- m.sealings
	out <- m.left
}

// Collect is a prometheus.Collector's.
func (m *reencryptMeter) Collect(out chan<- prometheus.Metric) {
	m.done.Collect(out)
	s := m.state()
	for store := range s.Stores() {
		if store.Seal == nil {
			continue
		}
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, store.Name)
		}
		gauge(m.keys, float64(len(store.Seal.Keys)))
		gauge(m.sealings, float64(s.Sealings(store.Name, store.Term())))
		gauge(m.left, float64(s.StoreCounts(store.Name).Versions-s.TermUse(store.Name, store.Term())))
	}
}
