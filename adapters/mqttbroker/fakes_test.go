package mqttbroker

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/credentials"
	"ampra/modules/telemetry/ingest"
)

// fakeGate knows sources, each with the keys that are valid now.
type fakeGate struct {
	mu      sync.Mutex
	sources map[string]*fakeSource // by client id
	signIn  error                  // what SignInMQTT fails with
	holds   error                  // what Holds fails with
	// signedIn is called after a sign-in was let through, asked before Holds answers.
	signedIn, asked func()

	untrusted atomic.Bool
	questions atomic.Int64
}

type fakeSource struct {
	id     uuid.UUID
	active bool
	keys   []fakeKey
}

type fakeKey struct {
	id    uuid.UUID
	text  string
	until *time.Time
}

func newGate() *fakeGate { return &fakeGate{sources: map[string]*fakeSource{}} }

// account is what a device signs in with.
type account struct {
	source        uuid.UUID
	clientID, key string
}

func (a account) data() string { return sunsource.Topic(a.source) }

// add makes a source.
func (g *fakeGate) add() account {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := account{source: uuid.New(), key: "ak_" + uuid.NewString()}
	a.clientID = sunsource.ClientID(a.source)
	g.sources[a.clientID] = &fakeSource{id: a.source, active: true, keys: []fakeKey{{id: uuid.New(), text: a.key}}}
	return a
}

// rotate replaces the key of an account. The old one is valid until grace is
// over.
func (g *fakeGate) rotate(a account, grace time.Duration) account {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sources[a.clientID]
	var old []fakeKey
	if grace > 0 {
		until := time.Now().Add(grace)
		old = []fakeKey{{id: s.keys[0].id, text: s.keys[0].text, until: &until}}
	}
	a.key = "ak_" + uuid.NewString()
	s.keys = append([]fakeKey{{id: uuid.New(), text: a.key}}, old...)
	return a
}

func (g *fakeGate) setActive(a account, active bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sources[a.clientID].active = active
}

func (g *fakeGate) remove(a account) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sources, a.clientID)
}

// fail sets what the gate fails with, nil for nothing.
func (g *fakeGate) fail(signIn, holds error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.signIn, g.holds = signIn, holds
}

func (g *fakeGate) hook(signedIn, asked func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.signedIn, g.asked = signedIn, asked
}

func (g *fakeGate) SignInMQTT(_ context.Context, clientID, username string, password credential.Secret) (credentials.Session, error) {
	session, hook, err := g.match(clientID, username, password)
	if err == nil && hook != nil {
		hook()
	}
	return session, err
}

func (g *fakeGate) match(clientID, username string, password credential.Secret) (credentials.Session, func(), error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.signIn != nil {
		return credentials.Session{}, nil, g.signIn
	}
	s := g.sources[clientID]
	if s != nil && s.active && (username == "" || username == clientID || username == s.id.String()) {
		for _, k := range s.keys {
			if k.text == password.Reveal() && (k.until == nil || time.Now().Before(*k.until)) {
				return credentials.Session{SourceID: s.id, CredentialID: k.id, ValidUntil: k.until}, g.signedIn, nil
			}
		}
	}
	return credentials.Session{}, nil, fault.New(fault.Unauthenticated, "no")
}

func (g *fakeGate) Holds(_ context.Context, session credentials.Session) (bool, error) {
	g.questions.Add(1)
	g.mu.Lock()
	hook := g.asked
	g.mu.Unlock()
	if hook != nil {
		hook()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holds != nil {
		return false, g.holds
	}
	k, active := g.find(session)
	return active && k != nil && (k.until == nil || time.Now().Before(*k.until)), nil
}

func (g *fakeGate) find(session credentials.Session) (*fakeKey, bool) {
	for _, s := range g.sources {
		if s.id != session.SourceID {
			continue
		}
		for i, k := range s.keys {
			if k.id == session.CredentialID {
				return &s.keys[i], s.active
			}
		}
	}
	return nil, false
}

func (g *fakeGate) ValidUntil(_ context.Context, session credentials.Session) (*time.Time, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if k, _ := g.find(session); k != nil {
		return k.until, nil
	}
	return &time.Time{}, nil
}

func (g *fakeGate) Trusted() bool { return !g.untrusted.Load() }

// fakeIngest takes deliveries and answers at once, unless it is told to hold its
// answers back.
type fakeIngest struct {
	mu     sync.Mutex
	taken  []ingest.Delivery
	held   []func(ingest.Receipt, error)
	hold   bool
	answer func(ingest.Delivery) error // what done gets
	refuse func() error                // what Submit returns
	// block is what Submit waits for.
	block chan struct{}
	grown chan struct{}
}

func newIngest() *fakeIngest { return &fakeIngest{grown: make(chan struct{}, 1)} }

func (f *fakeIngest) Submit(ctx context.Context, d ingest.Delivery, done func(ingest.Receipt, error)) error {
	f.mu.Lock()
	block, refuse := f.block, f.refuse
	f.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if refuse != nil {
		if err := refuse(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	d.Payload = bytes.Clone(d.Payload)
	f.taken = append(f.taken, d)
	var err error
	if f.answer != nil {
		err = f.answer(d)
	}
	hold := f.hold
	if hold {
		f.held = append(f.held, done)
	}
	f.mu.Unlock()
	select {
	case f.grown <- struct{}{}:
	default:
	}
	if !hold {
		done(ingest.Receipt{Accepted: 1}, err)
	}
	return nil
}

func (f *fakeIngest) set(change func(f *fakeIngest)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeIngest) deliveries() []ingest.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]ingest.Delivery(nil), f.taken...)
}

// payloads are those of the deliveries.
func (f *fakeIngest) payloads() []string {
	var all []string
	for _, d := range f.deliveries() {
		all = append(all, string(d.Payload))
	}
	return all
}

// await returns the deliveries once there are n.
func (f *fakeIngest) await(t testing.TB, n int) []ingest.Delivery {
	t.Helper()
	deadline := time.After(patience)
	for {
		if all := f.deliveries(); len(all) >= n {
			return all
		}
		select {
		case <-f.grown:
		case <-deadline:
			t.Fatalf("got %d deliveries, want %d", len(f.deliveries()), n)
		}
	}
}

// release gives the held answers in the order of the indices, all with err.
func (f *fakeIngest) release(err error, order ...int) {
	f.mu.Lock()
	held := append(make([]func(ingest.Receipt, error), 0, len(f.held)), f.held...)
	f.mu.Unlock()
	for _, i := range order {
		held[i](ingest.Receipt{}, err)
	}
}

var (
	errAway    = fault.New(fault.Unavailable, "away")
	errInvalid = fault.New(fault.Invalid, "nothing in it can be read")
	errStore   = errors.New("the store is away")
)

// fakeUsage counts sessions.
type fakeUsage struct {
	mu   sync.Mutex
	open map[uuid.UUID]int
	all  int
}

func (u *fakeUsage) Opened(source uuid.UUID) { u.count(source, 1) }
func (u *fakeUsage) Closed(source uuid.UUID) { u.count(source, -1) }

func (u *fakeUsage) count(source uuid.UUID, by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == nil {
		u.open = map[uuid.UUID]int{}
	}
	u.open[source] += by
	u.all += by
}

func (u *fakeUsage) total() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all
}
