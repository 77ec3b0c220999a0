package bootstrap

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/httpapi"
	"ampra/adapters/kafka"
	"ampra/adapters/sqldb"
	"ampra/core/identity"
	corelive "ampra/core/live"
	users "ampra/modules/identity"
	"ampra/modules/live"
)

// wireLive makes what tells listeners while things happen: in every process the
// way in for events, in those with the API the hub. Without Kafka the journal is
// tapped.
func (a *App) wireLive(ctx context.Context, h *house, cluster *kafka.Cluster) error {
	failed := func(err error) {
		a.log.WarnContext(ctx, "live events are not told as they should", "error", err)
	}
	told := func(corelive.Event) {}
	if a.cfg.Has(RoleAPI) {
		var tail corelive.Tail
		if cluster != nil {
			tail = cluster.Tail()
		}
		hub, err := live.New(live.Config{Streams: a.cfg.Live.Streams, PerUser: a.cfg.Live.StreamsPerUser}, live.Deps{
			Sources: sqldb.NewSunSources(h.db), Owners: owners{h.registry}, Keys: keys{h}, Feed: h.feed,
			Bus: h.hubBus(a), Tail: tail, Encode: httpapi.EncodeLive, Clock: systemClock(), Random: rand.Reader, Failed: failed,
		})
		if err != nil {
			return err
		}
		h.hub, told = hub, keeping(h.knocks, hub.Told)
		if cluster == nil {
			h.journal = live.NewTap(h.journal, hub)
		}
		a.observeHub(hub)
		a.parts.add("live events", 5*time.Second, hub.Run)
	}
	h.live = live.NewPublisher(live.PublisherDeps{Bus: h.bus(a), Told: told, Clock: systemClock(), Failed: failed})
	a.metrics.Counter("ampra_live_unpublished_total", "Events that came too fast, or that other processes could not be told.",
		func() float64 { return float64(h.live.Dropped()) })
	a.parts.add("live events' publisher", 3*time.Second, h.live.Run)
	return nil
}

// bus is what carries events between processes, nil where there is only one.
func (h *house) bus(a *App) corelive.Bus {
	if !h.db.IsPostgres() {
		return nil
	}
	return sqldb.NewLiveBus(h.db, sqldb.LiveBusDeps{Log: a.log})
}

func (a *App) observeHub(hub *live.Hub) {
	a.metrics.Gauge("ampra_live_streams", "Live event streams that are open.", func() float64 { return float64(hub.Stats().Streams) })
	a.metrics.Gauge("ampra_live_ring_bytes", "Bytes of events that are kept to be told again.", func() float64 { return float64(hub.Stats().RingBytes) })
	a.metrics.Counter("ampra_live_events_total", "Events given to live streams.", func() float64 { return float64(hub.Stats().Told) })
	a.metrics.Counter("ampra_live_resyncs_total", "How often a stream was told to read anew.", func() float64 { return float64(hub.Stats().Resyncs) })
	a.metrics.Counter("ampra_live_resumed_total", "How often a stream came back and missed nothing.", func() float64 { return float64(hub.Stats().Resumed) })
}

// keys tells the hub whether sessions and tokens still hold.
type keys struct{ h *house }

var _ live.Keys = keys{}

// Holds implements live.Keys.
func (k keys) Holds(ctx context.Context, key live.Key) error {
	if key.Token {
		return k.accounts().TokenHolds(ctx, identity.Digest(key.Digest))
	}
	return k.accounts().SessionHolds(ctx, identity.Digest(key.Digest))
}

func (k keys) accounts() *users.Service { return k.h.accounts }

// refreshLive is what the API tells of changed rights.
func (h *house) refreshLive() func(ctx context.Context, subject uuid.UUID) {
	if h.hub == nil {
		return nil
	}
	return h.live.Refresh
}
