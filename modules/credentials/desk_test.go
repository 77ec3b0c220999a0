package credentials_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/core/transaction"
	"ampra/modules/credentials"
	"ampra/test/fake"
)

var errAway = fault.New(fault.Unavailable, "away")

// rowSealer seals with named keys, and opens only in the row that it sealed for.
type rowSealer struct {
	current string
	known   []string
}

func (s *rowSealer) CurrentKey() string { return s.current }

func (s *rowSealer) Seal(plain, row []byte) (credential.Sealed, error) {
	return credential.Sealed{KeyID: s.current, Box: []byte(s.current + "|" + string(row) + "|" + string(plain))}, nil
}

func (s *rowSealer) Open(sealed credential.Sealed, row []byte) ([]byte, error) {
	for _, key := range append(s.known, s.current) {
		if plain, ok := strings.CutPrefix(string(sealed.Box), key+"|"+string(row)+"|"); ok && key == sealed.KeyID {
			return []byte(plain), nil
		}
	}
	return nil, errors.New("the box does not open")
}

// sessions is how many devices are connected, by what processes report.
type sessions struct {
	mu     sync.Mutex
	err    error
	counts map[uuid.UUID]map[uuid.UUID]int // by process and source
}

func (p *sessions) Report(_ context.Context, process uuid.UUID, counts map[uuid.UUID]int, _ time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if p.counts == nil {
		p.counts = map[uuid.UUID]map[uuid.UUID]int{}
	}
	if p.counts[process] == nil {
		p.counts[process] = map[uuid.UUID]int{}
	}
	maps.Copy(p.counts[process], counts)
	return nil
}

func (p *sessions) Connected(_ context.Context, source uuid.UUID, _ time.Time) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, counts := range p.counts {
		n += counts[source]
	}
	return n, p.err
}

// wire carries changes: what the outbox has is told to the listeners by Settle.
type wire struct {
	feed

	mu      sync.Mutex
	changes []change.Change
	settled int64
	outbox  error // of Append
	hangs   error // of Settle
}

func (w *wire) Append(_ context.Context, c change.Change) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outbox != nil {
		return 0, w.outbox
	}
	c.Seq = int64(len(w.changes) + 1)
	w.changes = append(w.changes, c)
	return c.Seq, nil
}

func (w *wire) Settle(ctx context.Context, seq int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hangs != nil {
		return w.hangs
	}
	for ; w.settled < seq; w.settled++ {
		for _, listener := range w.listeners {
			listener(ctx, w.changes[w.settled])
		}
	}
	return nil
}

// desk is the use cases on fakes, with a gate that devices sign in at.
type desk struct {
	*credentials.Service
	t       *testing.T
	records *fake.Records
	wire    wire
	sealer  rowSealer
	present sessions
	clock   *fake.Clock
	gate    *credentials.Gate
	who     actor.Actor
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{
		t: t, records: fake.NewRecords(), clock: fake.NewClock(present()), sealer: rowSealer{current: "k1"},
		who: actor.Actor{UserID: uuid.New(), Role: actor.User},
	}
	d.Service = d.service(d.records.Credentials, d.records, rand.Reader)
	registry := credentials.NewRegistry(credentials.RegistryDeps{Records: d.records.Access, Sealer: &d.sealer, Feed: &d.wire, Clock: d.clock})
	usage, _ := d.newUsage(d.records.Credentials)
	var err error
	if d.gate, err = credentials.NewGate(credentials.GateDeps{Registry: registry, Usage: usage, Clock: d.clock, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) service(keys credential.Repository, transactions transaction.Runner, random io.Reader) *credentials.Service {
	return credentials.New(credentials.Deps{
		Sources: d.records.SunSources, Credentials: keys, Sealer: &d.sealer, Presence: &d.present, Transactions: transactions,
		Outbox: &d.wire, Feed: &d.wire, Audit: d.records.AuditLog, Clock: d.clock, Random: random,
	})
}

// make is a source with its first credential.
func (d *desk) make(kind sunsource.ConnectionType) (uuid.UUID, credential.Secret) {
	d.t.Helper()
	id := uuid.New()
	s := sunsource.SunSource{ID: id, OwnerID: d.who.UserID, Name: "Roof", ConnectionType: kind, IsActive: true}
	if err := errors.Join(d.records.SunSources.Create(d.t.Context(), s), d.Issue(d.t.Context(), id, kind, credential.Secret{})); err != nil {
		d.t.Fatal(err)
	}
	return id, d.secret(id)
}

func (d *desk) secret(id uuid.UUID) credential.Secret {
	d.t.Helper()
	secret, err := d.Reveal(d.t.Context(), d.who, id)
	if err != nil {
		d.t.Fatal(err)
	}
	return secret
}

func (d *desk) rotate(id uuid.UUID, kind sunsource.ConnectionType, grace time.Duration) credential.Secret {
	d.t.Helper()
	secret, err := d.Rotate(d.t.Context(), d.who, id, kind, grace)
	if err != nil {
		d.t.Fatal(err)
	}
	return secret
}

func (d *desk) list(id uuid.UUID) []credential.Credential {
	d.t.Helper()
	list, err := d.records.Credentials.List(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return list
}

func (d *desk) signIn(id uuid.UUID, key credential.Secret) (credentials.Session, error) {
	return d.gate.SignInMQTT(d.t.Context(), sunsource.ClientID(id), "", key)
}

// opens checks which of the keys open a source.
func (d *desk) opens(id uuid.UUID, want map[string]bool, keys map[string]credential.Secret) {
	d.t.Helper()
	for name, key := range keys {
		if _, err := d.signIn(id, key); (err == nil) != want[name] || (err != nil && !fault.Is(err, fault.Unauthenticated)) {
			d.t.Errorf("%s: %v", name, err)
		}
	}
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
