package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/mqtt"
	"ampra/adapters/sqldb"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/transaction"
)

// outsideTime bounds what an answer of the API waits for an outside broker.
const outsideTime = 5 * time.Second

// outsider is an outside broker that has to be told of changes.
type outsider interface {
	// Before is asked inside the transaction of a change, with what is about to be
	// committed; its error undoes the change.
	Before(ctx context.Context, c change.Change, after credential.Access) error
	// Apply returns when the broker has acted on a change that every process knows.
	Apply(ctx context.Context, c change.Change) error
	// Made tells of new MQTT sources.
	Made(ctx context.Context, sources []uuid.UUID)
}

// outside stands between the use cases and the ports of changes, and tells outside
// brokers of each change in the process that made it: after the commit, and after
// every process has applied it, so that nobody lets an old key in behind it. The
// use case's answer waits for that as it waits for the processes.
type outside struct {
	transaction.Runner
	change.Outbox
	change.Feed
	access  credential.AccessRecords
	brokers []outsider

	mu sync.Mutex
	// settles has what was committed and is not settled yet, by each number of its
	// changes: a use case settles the last one.
	settles map[int64]*drafts
}

var (
	_ transaction.Runner = (*outside)(nil)
	_ change.Outbox      = (*outside)(nil)
	_ change.Feed        = (*outside)(nil)
)

// drafts are what a transaction has done so far.
type drafts struct {
	// seqs are the numbers of all its changes, changes those that concern brokers,
	// both in order.
	seqs    []int64
	changes []change.Change
	made    []uuid.UUID
}

type draftsKey struct{}

// Run runs act and, once it is committed, tells of what it made.
func (o *outside) Run(ctx context.Context, act func(ctx context.Context) error) error {
	if ctx.Value(draftsKey{}) != nil {
		return o.Runner.Run(ctx, act)
	}
	var done *drafts
	err := o.Runner.Run(ctx, func(ctx context.Context) error {
		done = &drafts{} // act may be called again
		return act(context.WithValue(ctx, draftsKey{}, done))
	})
	if err != nil {
		return err
	}
	o.committed(done)
	if len(done.made) > 0 {
		telling, cancel := context.WithTimeout(context.WithoutCancel(ctx), outsideTime)
		defer cancel()
		for _, broker := range o.brokers {
			broker.Made(telling, done.made)
		}
	}
	return nil
}

// committed keeps what a transaction has done until one of its changes is settled.
func (o *outside) committed(done *drafts) {
	if len(done.changes) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, seq := range done.seqs {
		o.settles[seq] = done
	}
}

// settling takes what the transaction of a change has done.
func (o *outside) settling(seq int64) []change.Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	done := o.settles[seq]
	if done == nil {
		return nil
	}
	for _, one := range done.seqs {
		delete(o.settles, one)
	}
	return done.changes
}

// Append asks the brokers before the change is written: they may be away.
func (o *outside) Append(ctx context.Context, c change.Change) (int64, error) {
	done, ok := ctx.Value(draftsKey{}).(*drafts)
	if c.Kind == change.SettingsChanged { // nothing that a broker knows
		seq, err := o.Outbox.Append(ctx, c)
		if err == nil && ok {
			done.seqs = append(done.seqs, seq)
		}
		return seq, err
	}
	after, err := accessOf(ctx, o.access, c.SourceID)
	gone := fault.Is(err, fault.NotFound)
	if err != nil && !gone {
		return 0, err
	}
	concerned := gone || after.Type == sunsource.MQTT
	for _, broker := range o.brokers {
		if !concerned || gone {
			break
		}
		if err := broker.Before(ctx, c, after); err != nil {
			return 0, err
		}
	}
	seq, err := o.Outbox.Append(ctx, c)
	if err != nil || !ok {
		return seq, err
	}
	done.seqs = append(done.seqs, seq)
	switch {
	case !concerned:
	case c.Kind == change.SourceCreated:
		done.made = append(done.made, c.SourceID)
	default:
		done.changes = append(done.changes, c)
	}
	return seq, nil
}

// accessOf reads what opens a source from the records, in the context's
// transaction if it has one, or a fault NotFound.
func accessOf(ctx context.Context, records credential.AccessRecords, source uuid.UUID) (credential.Access, error) {
	list, err := records.AccessByClientKeys(ctx, []sunsource.ClientKey{sunsource.ClientKeyOf(source)}, time.Now())
	if err != nil {
		return credential.Access{}, err
	}
	for _, one := range list {
		if one.SourceID == source {
			return one.Access, nil
		}
	}
	return credential.Access{}, fault.New(fault.NotFound, "There is no such sun source.")
}

// Settle waits for the processes, then for the brokers. The brokers are told even
// if a process did not answer in time.
func (o *outside) Settle(ctx context.Context, seq int64) error {
	err := o.Feed.Settle(ctx, seq)
	changes := o.settling(seq)
	if len(changes) == 0 {
		return err
	}
	telling, cancel := context.WithTimeout(context.WithoutCancel(ctx), outsideTime)
	defer cancel()
	for _, broker := range o.brokers {
		for _, c := range changes {
			if failed := broker.Apply(telling, c); failed != nil {
				err = errors.Join(err, fmt.Errorf("telling the outside broker: %w", failed))
			}
		}
	}
	return err
}

// wireOutside puts outside brokers between the use cases and the feed, where there
// are any. A process without the API makes no changes, and tells no broker.
func (a *App) wireOutside(ctx context.Context, h *house) error {
	h.outbox, h.changes, h.transactions = h.feed.Outbox(), h.feed, h.db
	if !a.cfg.Has(RoleAPI) {
		return nil
	}
	var brokers []outsider
	if a.cfg.MQTTAdminURL != "" {
		keeper, err := a.wireKeeper(ctx, h)
		if err != nil {
			return err
		}
		brokers = append(brokers, keeper)
	}
	if a.cfg.EMQXURL != "" {
		cutter, err := a.wireCutter(h)
		if err != nil {
			return err
		}
		brokers = append(brokers, cutter)
	}
	if len(brokers) == 0 {
		return nil
	}
	o := &outside{
		Runner: h.db, Outbox: h.feed.Outbox(), Feed: h.feed, access: sqldb.NewAccessRecords(h.db), brokers: brokers,
		settles: map[int64]*drafts{},
	}
	h.outbox, h.changes, h.transactions = o, o, o
	return nil
}

// wireKeeper makes what keeps Mosquitto's clients.
func (a *App) wireKeeper(ctx context.Context, h *house) (*mosquitto, error) {
	keeper, err := mqtt.NewKeeper(mqtt.KeeperConfig{
		URL: credential.NewSecret(a.cfg.MQTTAdminURL), Mark: a.cfg.MQTTGroup,
		Reader: credential.NewSecret(a.cfg.MQTTURL), Filter: mqtt.Filter(a.cfg.MQTTGroup),
	}, mqtt.KeeperDeps{Grants: &grants{h}, Log: a.log})
	if err != nil {
		return nil, &SettingError{Setting: "mqtt-admin-url", Got: Masked(a.cfg.MQTTAdminURL), Want: err.Error()}
	}
	a.checks["broker's administration"] = keeper.Ping
	a.metrics.Counter("ampra_mosquitto_clients_told_total", "Clients of Mosquitto made, changed or removed.", func() float64 {
		return float64(keeper.Stats().Told)
	})
	a.metrics.Counter("ampra_mosquitto_clients_mended_total", "Clients of Mosquitto that were found to differ from the records.", func() float64 {
		return float64(keeper.Stats().Mended)
	})
	a.parts.add("Mosquitto's clients", 10*time.Second, keeper.Run)
	return &mosquitto{keeper: keeper, failed: func(err error) {
		a.log.WarnContext(ctx, "the MQTT broker does not know a new source yet, it will be told later", "error", err)
	}}, nil
}

// mosquitto is the outsider on Mosquitto's dynamic security.
type mosquitto struct {
	keeper *mqtt.Keeper
	failed func(error)
}

// Before refuses what Mosquitto can't do: it knows one key for each client, and
// while it is away nobody can take the old one from it. A source can be
// deactivated and deleted all the same: its readings are refused by ingest.
func (m *mosquitto) Before(ctx context.Context, c change.Change, after credential.Access) error {
	if c.Kind != change.CredentialsRotated {
		return nil
	}
	if len(after.Keys) > 1 {
		return fault.New(fault.Conflict, "The MQTT broker of this server knows one key for each device: a key is replaced at once, without graceSeconds.")
	}
	if err := m.keeper.Ping(ctx); err != nil {
		return &fault.Error{
			Code: fault.Unavailable, RetryAfter: outsideTime, Cause: err,
			Message: "The MQTT broker can't be told right now, so the key is not replaced. Try again soon.",
		}
	}
	return nil
}

// Apply has the broker's client follow the records.
func (m *mosquitto) Apply(ctx context.Context, c change.Change) error {
	return m.keeper.Apply(ctx, c.SourceID)
}

// Made has the broker know new sources. It is no failure of their making when the
// broker is away.
func (m *mosquitto) Made(ctx context.Context, sources []uuid.UUID) {
	for _, source := range sources {
		if err := m.keeper.Apply(ctx, source); err != nil {
			m.failed(err)
			return
		}
	}
}

// grants reads for the keeper of Mosquitto's clients.
type grants struct{ h *house }

var _ mqtt.Grants = (*grants)(nil)

// List implements mqtt.Grants.
func (g *grants) List(ctx context.Context, after uuid.UUID, limit int) ([]mqtt.Listed, error) {
	page, err := sqldb.NewAccessRecords(g.h.db).ListMQTT(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	return slices.Collect(func(yield func(mqtt.Listed) bool) {
		for _, one := range page {
			if !yield(mqtt.Listed(one)) {
				return
			}
		}
	}), nil
}

// Hold implements mqtt.Grants. No transaction is open while the broker is told, so
// a slow broker keeps nobody from writing records. The price is that they may
// change meanwhile: then act is called with what they say now.
func (g *grants) Hold(ctx context.Context, source uuid.UUID, act func(ctx context.Context, one mqtt.Grant) error) error {
	return g.h.db.Alone(ctx, source, func(ctx context.Context) error {
		one, err := g.read(ctx, source)
		for err == nil {
			if err := act(ctx, one); err != nil {
				return err
			}
			before := one
			one, err = g.read(ctx, source)
			if err == nil && one.CredentialID == before.CredentialID && one.Active == before.Active {
				return nil
			}
		}
		return err
	})
}

// read is the grant of a source now, or NotFound.
func (g *grants) read(ctx context.Context, source uuid.UUID) (mqtt.Grant, error) {
	found, err := accessOf(ctx, sqldb.NewAccessRecords(g.h.db), source)
	if err != nil {
		return mqtt.Grant{}, err
	}
	if found.Type != sunsource.MQTT {
		return mqtt.Grant{}, fault.New(fault.NotFound, "There is no such MQTT source.")
	}
	all, err := sqldb.NewCredentials(g.h.db).List(ctx, source)
	if err != nil {
		return mqtt.Grant{}, err
	}
	if len(all) == 0 {
		return mqtt.Grant{}, fault.New(fault.NotFound, "The sun source has no credential.")
	}
	key, err := g.h.sealer.Open(all[0].Sealed, all[0].AssociatedData())
	if err != nil {
		return mqtt.Grant{}, fmt.Errorf("opening credential %s: %w", all[0].ID, err)
	}
	return mqtt.Grant{SourceID: source, CredentialID: all[0].ID, Key: credential.NewSecret(string(key)), Active: found.Active}, nil
}
