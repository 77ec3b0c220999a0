package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
)

// Grant is what the device of one MQTT source may do at the broker.
type Grant struct {
	SourceID uuid.UUID
	// CredentialID names the key, which is for the keeper alone.
	CredentialID uuid.UUID
	Key          credential.Secret
	Active       bool
}

// Listed is a grant without its key.
type Listed struct {
	SourceID     uuid.UUID
	CredentialID uuid.UUID
	Active       bool
}

// Grants are the records, to which the broker has to be kept equal.
type Grants interface {
	// Hold reads the grant of a source and calls act with it. No other process is
	// inside Hold for the same source meanwhile, so that nobody writes to the broker
	// what was true before. A source that is not there, or is none of MQTT, is a
	// fault NotFound. act's error is returned. act is called again when the grant
	// changed meanwhile: what it was called with last is what is true when Hold
	// returns, or changed after it began to.
	Hold(ctx context.Context, source uuid.UUID, act func(ctx context.Context, g Grant) error) error
	// List returns up to limit grants of MQTT sources behind an id, in the order of
	// ids.
	List(ctx context.Context, after uuid.UUID, limit int) ([]Listed, error)
}

// KeeperConfig says where the broker is. Zero durations and counts stand for the
// defaults named beside them.
type KeeperConfig struct {
	// URL is the broker's, with the name and password of an administrator of its
	// dynamic-security plugin.
	URL credential.Secret
	// TLS is used for mqtts; nil means the system's certificate authorities.
	TLS *tls.Config
	// Mark is written on what the keeper makes, and is how it knows its own again.
	// All processes of one installation have the same, another installation at the
	// same broker has another.
	Mark string
	// Reader is the account with which readings are read, as the URL of the
	// subscriber has it; it is made if it is not there. Zero, or one without a name,
	// leaves that to the operator. Filter is what it subscribes to.
	Reader credential.Secret
	Filter string
	// Every is how often broker and records are compared, 10 min; half of it more or
	// less, so that processes do not do it together.
	Every time.Duration
	// Batch is how many clients, and how many records, are read at a time, 500.
	Batch int
	// RetryMin and RetryMax bound the wait between attempts to connect and to
	// compare, 100 ms and 30 s.
	RetryMin, RetryMax time.Duration
	// KeepAlive is the time after which a silent broker is probed, 10 s.
	KeepAlive time.Duration
}

// KeeperDeps are what a keeper stands on.
type KeeperDeps struct {
	Grants Grants
	Log    *slog.Logger
}

// Keeper keeps the clients of Mosquitto's dynamic-security plugin equal to the
// records: a client and a role for each MQTT source, named by its client id, with
// its current key and its own topics. A change is told to the broker by Apply, in
// the process where it was made. What could not be told, since the broker was away
// or the process died, Run finds when it compares both.
type Keeper struct {
	cfg    KeeperConfig
	d      KeeperDeps
	to     endpoint
	reader endpoint

	stale chan struct{} // something could not be told
	said  string        // the problem that was logged last

	mu   sync.Mutex
	live *control // nil while there is no connection

	told     atomic.Int64
	mended   atomic.Int64
	compared atomic.Int64 // comparisons that came to their end
}

// NewKeeper checks the settings.
func NewKeeper(cfg KeeperConfig, d KeeperDeps) (*Keeper, error) {
	k := &Keeper{cfg: cfg, d: d, stale: make(chan struct{}, 1)}
	var err error
	if k.to, err = readURL(cfg.URL); err != nil {
		return nil, err
	}
	if !cfg.Reader.IsZero() {
		if k.reader, err = readURL(cfg.Reader); err != nil {
			return nil, err
		}
	}
	if cfg.Mark == "" {
		return nil, errors.New("a mark for what this installation makes at the broker")
	}
	setDefault(&k.cfg.Every, 10*time.Minute)
	setDefault(&k.cfg.Batch, 500)
	setDefault(&k.cfg.RetryMin, 100*time.Millisecond)
	setDefault(&k.cfg.RetryMax, 30*time.Second)
	k.cfg.RetryMax = max(k.cfg.RetryMin, k.cfg.RetryMax)
	setDefault(&k.cfg.KeepAlive, 10*time.Second)
	return k, nil
}

// KeeperStats are counts for the metrics, since the start.
type KeeperStats struct {
	// Told are the clients that were made, changed or removed; Mended those of them
	// that a comparison found.
	Told, Mended int64
	// Compared is how often broker and records were compared to the end.
	Compared int64
}

// Stats returns the counts.
func (k *Keeper) Stats() KeeperStats {
	return KeeperStats{Told: k.told.Load(), Mended: k.mended.Load(), Compared: k.compared.Load()}
}

// Ping asks the plugin for a sign of life. An Unavailable fault says that nothing
// can be told to the broker now.
func (k *Keeper) Ping(ctx context.Context) error {
	c, err := k.connection()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := c.do(ctx, "", command{"command": "getDefaultACLAccess"}); err != nil {
		return unreachable(err)
	}
	return nil
}

func unreachable(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The MQTT broker can't be told right now.")
}

func (k *Keeper) connection() (*control, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.live == nil {
		return nil, unreachable(errors.New("not connected to Mosquitto's dynamic security"))
	}
	return k.live, nil
}

func (k *Keeper) use(c *control) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.live = c
}

// Apply makes the broker do what the records say of a source: when it returns
// without an error, no key but the current one opens anything there, and no
// connection made with another is left. What fails is told later, by Run.
func (k *Keeper) Apply(ctx context.Context, source uuid.UUID) error {
	c, err := k.connection()
	if err == nil {
		_, err = k.keep(ctx, c, source)
	}
	if err != nil {
		signal(k.stale)
	}
	return err
}

// Run stays connected, and compares at once and now and then, until ctx ends; it
// returns nil.
func (k *Keeper) Run(ctx context.Context) error {
	delay := k.cfg.RetryMin
	for ctx.Err() == nil {
		began := time.Now()
		err := k.session(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was asked to end
		}
		k.complain(ctx, err)
		if time.Since(began) > steady {
			delay = k.cfg.RetryMin
		}
		wait(ctx, delay/2+rand.N(delay/2+1)) //nolint:gosec // not a secret
		delay = min(2*delay, k.cfg.RetryMax)
	}
	return nil
}

// session is one connection from dialling to its end.
func (k *Keeper) session(ctx context.Context) error {
	c, err := openControl(ctx, k.cfg, k.to)
	if err != nil {
		return err
	}
	defer c.close()
	k.use(c)
	defer k.use(nil)
	k.warnOfOpenDefaults(ctx, c)
	// The next one is due after this; at first at once.
	pause, failures := time.Duration(0), k.cfg.RetryMin
	for {
		due := time.NewTimer(pause)
		select {
		case <-due.C:
		case <-k.stale: // after a moment: what failed just now fails again at once
			if !wait(ctx, failures) {
				return ctx.Err()
			}
		case <-c.life.Done():
			due.Stop()
			return c.ended()
		case <-ctx.Done():
			due.Stop()
			return ctx.Err()
		}
		due.Stop()
		if err := k.compare(ctx, c); err != nil {
			k.complain(ctx, fmt.Errorf("comparing its clients with the records: %w", err))
			pause, failures = failures, min(2*failures, k.cfg.RetryMax)
			continue
		}
		k.said = ""
		pause, failures = k.cfg.Every/2+rand.N(k.cfg.Every), k.cfg.RetryMin //nolint:gosec // not a secret
	}
}

// complain logs what is wrong, once for as long as it stays the same.
func (k *Keeper) complain(ctx context.Context, err error) {
	if ctx.Err() != nil || err.Error() == k.said {
		return
	}
	k.said = err.Error()
	k.d.Log.WarnContext(ctx, "can't administer the MQTT broker, trying again", "broker", k.to.address, "error", err)
}

// warnOfOpenDefaults tells the operator when a client needs no right to publish or
// subscribe: then no device is kept to its own topics.
func (k *Keeper) warnOfOpenDefaults(ctx context.Context, c *control) {
	var defaults struct {
		ACLs []struct {
			Type  string `json:"acltype"`
			Allow bool   `json:"allow"`
		} `json:"acls"`
	}
	if _, err := c.read(ctx, command{"command": "getDefaultACLAccess"}, &defaults); err != nil {
		return // the comparison will say so
	}
	for _, acl := range defaults.ACLs {
		if acl.Allow && (acl.Type == "publishClientSend" || acl.Type == "subscribe") {
			k.d.Log.ErrorContext(ctx, "the MQTT broker lets every client do this on all topics, so devices can write each other's readings",
				"broker", k.to.address, "access", acl.Type, "mend", "mosquitto_ctrl dynsec setDefaultACLAccess "+acl.Type+" deny")
		}
	}
}
