package bootstrap

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/mqtt"
	"ampra/adapters/sqldb"
	"ampra/core/actor"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/identity"
	"ampra/core/sunsource"
)

// listening is an outside broker that writes down what it is told.
type listening struct {
	silent
	mu    sync.Mutex
	kinds []change.Kind
}

func (b *listening) Apply(_ context.Context, c change.Change) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kinds = append(b.kinds, c.Kind)
	return nil
}

// openSealer keeps secrets as they are.
type openSealer struct{}

func (openSealer) Seal(plain, _ []byte) (credential.Sealed, error) {
	return credential.Sealed{KeyID: "k", Box: plain}, nil
}
func (openSealer) Open(s credential.Sealed, _ []byte) ([]byte, error) { return s.Box, nil }
func (openSealer) CurrentKey() string                                 { return "k" }

// keyed stores an MQTT source with a key, and a function that replaces it.
func keyed(t *testing.T, db *sqldb.DB) (source uuid.UUID, rotate func(ctx context.Context, key string) error) {
	t.Helper()
	owner := identity.User{ID: uuid.New(), Email: "a@example.org", Role: actor.User, CreatedAt: time.Now()}
	if err := sqldb.NewUsers(db).Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	source = uuid.New()
	err := sqldb.NewSunSources(db).Create(t.Context(), sunsource.SunSource{
		ID: source, OwnerID: owner.ID, Name: "Roof", ConnectionType: sunsource.MQTT, IsActive: true, Currency: "EUR", CreatedAt: time.Now(), UpdatedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, version := sqldb.NewCredentials(db), 0
	rotate = func(ctx context.Context, key string) error {
		version++
		next := credential.Credential{
			ID: uuid.New(), SourceID: source, Kind: sunsource.MQTT, Version: version, CreatedAt: time.Now(),
			Digest: credential.DigestOf(credential.NewSecret(key)), Sealed: credential.Sealed{KeyID: "k", Box: []byte(key)},
		}
		if version == 1 {
			return keys.Add(ctx, next)
		}
		return db.Run(ctx, func(ctx context.Context) error { return keys.Replace(ctx, next, nil) })
	}
	if err := rotate(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	return source, rotate
}

// A PUT may rotate a key, deactivate and move a source in one transaction, and
// settles only the last of these changes.
func TestABrokerIsToldOfAllThatATransactionChanged(t *testing.T) {
	t.Parallel()
	db := records(t)
	source, _ := keyed(t, db)
	feed := sqldb.NewFeed(db, sqldb.FeedConfig{}, sqldb.FeedDeps{Log: slog.New(slog.DiscardHandler)})
	broker := &listening{}
	o := &outside{
		Runner: db, Outbox: feed.Outbox(), Feed: feed, access: sqldb.NewAccessRecords(db), brokers: []outsider{broker}, settles: map[int64]*drafts{},
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	running.Go(func() { _ = feed.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	for _, kinds := range [][]change.Kind{
		{change.CredentialsRotated},
		{change.CredentialsRotated, change.SourceUpdated},
		{change.CredentialsRotated, change.SettingsChanged},
		{change.CredentialsRotated, change.SourceUpdated, change.SettingsChanged},
		{change.SettingsChanged},
	} {
		var last int64
		err := o.Run(t.Context(), func(ctx context.Context) (err error) {
			for _, kind := range kinds {
				if last, err = o.Append(ctx, change.Change{Kind: kind, SourceID: source}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		broker.kinds = nil
		if err := o.Settle(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(slices.Clone(kinds), func(k change.Kind) bool { return k == change.SettingsChanged })
		if !slices.Equal(broker.kinds, want) {
			t.Errorf("of %v the broker is told %v", kinds, broker.kinds)
		}
		if n := len(o.settles); n != 0 {
			t.Errorf("after %v %d changes are still to be settled", kinds, n)
		}
	}
}

func TestWhileABrokerIsToldTheRecordsCanBeWrittenAndItIsToldAgain(t *testing.T) {
	t.Parallel()
	db := records(t)
	source, rotate := keyed(t, db)
	g := &grants{&house{db: db, sealer: openSealer{}}}
	// Somebody else rotates, and does not wait for the broker.
	elsewhere, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	meanwhile := func() <-chan error {
		done := make(chan error, 1)
		go func() { done <- rotate(elsewhere, "second") }()
		return done
	}
	var keys []string
	err := g.Hold(t.Context(), source, func(_ context.Context, one mqtt.Grant) error {
		keys = append(keys, one.Key.Reveal())
		if len(keys) > 1 {
			return nil
		}
		return <-meanwhile()
	})
	if err != nil {
		t.Fatalf("holding: %v", err)
	}
	if !slices.Equal(keys, []string{"first", "second"}) {
		t.Errorf("the broker is told %v", keys)
	}
	if err := g.Hold(t.Context(), uuid.New(), func(context.Context, mqtt.Grant) error { return nil }); !fault.Is(err, fault.NotFound) {
		t.Errorf("a source that is not there is answered with %v", err)
	}
}
