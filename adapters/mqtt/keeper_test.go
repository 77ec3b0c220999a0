package mqtt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/test/stack"
)

// ledger is the records of an installation.
type ledger struct {
	mu   sync.Mutex
	all  map[uuid.UUID]Grant
	held sync.Mutex
}

func newLedger(n int) *ledger {
	l := &ledger{all: map[uuid.UUID]Grant{}}
	for range n {
		l.add()
	}
	return l
}

func newKey() credential.Secret { return credential.NewSecret("ak_" + uuid.NewString()) }

func (l *ledger) add() Grant {
	g := Grant{SourceID: uuid.New(), CredentialID: uuid.New(), Key: newKey(), Active: true}
	l.set(g)
	return g
}

func (l *ledger) set(g Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[g.SourceID] = g
}

func (l *ledger) delete(id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, id)
}

// rotate gives a source another key.
func (l *ledger) rotate(g Grant) Grant {
	g.CredentialID, g.Key = uuid.New(), newKey()
	l.set(g)
	return g
}

func (l *ledger) Hold(ctx context.Context, source uuid.UUID, act func(context.Context, Grant) error) error {
	l.held.Lock()
	defer l.held.Unlock()
	l.mu.Lock()
	g, ok := l.all[source]
	l.mu.Unlock()
	if !ok {
		return fault.New(fault.NotFound, "There is no such source.")
	}
	return act(ctx, g)
}

func (l *ledger) List(_ context.Context, after uuid.UUID, limit int) ([]Listed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var page []Listed
	for _, g := range l.all {
		if bytes.Compare(g.SourceID[:], after[:]) > 0 {
			page = append(page, Listed{g.SourceID, g.CredentialID, g.Active})
		}
	}
	slices.SortFunc(page, func(a, b Listed) int { return bytes.Compare(a.SourceID[:], b.SourceID[:]) })
	return page[:min(limit, len(page))], nil
}

// guarded is a Mosquitto whose clients a keeper keeps.
type guarded struct {
	t      testing.TB
	url    string
	host   string
	mark   string
	ledger *ledger
}

// newGuarded takes a share of the common broker: a mark of the test's own.
func newGuarded(t testing.TB, sources int) *guarded {
	t.Helper()
	address := stack.Mosquitto(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("the broker's address is no URL")
	}
	g := &guarded{t: t, url: address, host: u.Host, mark: uuid.NewString(), ledger: newLedger(sources)}
	t.Cleanup(func() { // whatever the test left
		g.ledger = newLedger(0)
		k := g.keeper()
		stop := g.run(k)
		defer stop()
		g.await("the broker is as it was before", func() bool { return k.Stats().Compared > 0 })
	})
	return g
}

func (g *guarded) keeper() *Keeper { return g.keeperAt(g.url) }

func (g *guarded) keeperAt(address string) *Keeper {
	g.t.Helper()
	k, err := NewKeeper(KeeperConfig{
		URL: credential.NewSecret(address), Mark: g.mark, Every: time.Hour, Batch: 3, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}, KeeperDeps{Grants: g.ledger, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		g.t.Fatal(err)
	}
	return k
}

// run runs a keeper until stop.
func (g *guarded) run(k *Keeper) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(g.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := k.Run(ctx); err != nil {
			g.t.Error(err)
		}
	}()
	return sync.OnceFunc(func() {
		cancel()
		<-ended
	})
}

// started is a keeper that has compared once.
func (g *guarded) started() *Keeper {
	g.t.Helper()
	k := g.keeper()
	g.t.Cleanup(g.run(k))
	g.await("the first comparison", func() bool { return k.Stats().Compared > 0 })
	return k
}

func (g *guarded) await(what string, met func() bool) {
	g.t.Helper()
	deadline := time.Now().Add(patience)
	for !met() {
		if time.Now().After(deadline) {
			g.t.Fatalf("%s: not within %s", what, patience)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// connect signs a device in by MQTT 3.1.1, and returns the code of the CONNACK.
func (g *guarded) connect(clientID, user string, key credential.Secret) (net.Conn, byte) {
	g.t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(g.t.Context(), "tcp", g.host)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	text := func(s string) []byte {
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
	}
	body := slices.Concat(text("MQTT"), []byte{4, 0xC2, 0, 60}, text(clientID), text(user), text(key.Reveal()))
	_, err = conn.Write(append([]byte{0x10, byte(len(body))}, body...))
	answer := make([]byte, 4)
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil {
		g.t.Fatalf("signing in: %v", err)
	}
	return conn, answer[3]
}

func (g *guarded) opens(one Grant) bool {
	g.t.Helper()
	name := sunsource.ClientID(one.SourceID)
	conn, code := g.connect(name, name, one.Key)
	_ = conn.Close()
	return code == 0
}

// says returns what the broker sends next, or an error when the connection ends.
func says(conn net.Conn, send ...byte) ([]byte, error) {
	if _, err := conn.Write(send); err != nil {
		return nil, err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, err
	}
	body := make([]byte, head[1])
	_, err := io.ReadFull(conn, body)
	return append(head, body...), err
}

func TestEachSourceHasAClientThatItsKeyOpensAndItsOwnTopicsOnly(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, 7)
	g.started()
	for _, one := range g.ledger.all {
		if !g.opens(one) {
			t.Fatal("a key that is in the records opens nothing")
		}
	}
	list, _ := g.ledger.List(t.Context(), uuid.Nil, 2)
	one, other := g.ledger.all[list[0].SourceID], g.ledger.all[list[1].SourceID]
	name := sunsource.ClientID(one.SourceID)
	if _, code := g.connect("another-id", name, one.Key); code == 0 {
		t.Error("the key opens a session under another client id")
	}
	if _, code := g.connect(name, name, other.Key); code == 0 {
		t.Error("another source's key opens a session")
	}

	conn, _ := g.connect(name, name, one.Key)
	for _, c := range []struct {
		filter string
		want   byte
	}{
		{"sunsource/" + one.SourceID.String() + "/#", 1},
		{"sunsource/" + one.SourceID.String() + "/data", 1},
		{"sunsource/" + other.SourceID.String() + "/#", 0x80},
		{"sunsource/+/data", 0x80},
		{"#", 0x80},
		{"$share/x/sunsource/" + other.SourceID.String() + "/data", 0x80},
		{"$SYS/#", 0x80},
	} {
		body := slices.Concat([]byte{0, 9, 0, byte(len(c.filter))}, []byte(c.filter), []byte{1})
		said, err := says(conn, append([]byte{0x82, byte(len(body))}, body...)...)
		if err != nil || said[len(said)-1] != c.want {
			t.Errorf("subscribing to %s is answered with % x, %v, want 0x%02x", c.filter, said, err, c.want)
		}
	}
	// What a device may not publish reaches nobody, what it may reaches itself, too.
	publish := func(topic string) {
		body := slices.Concat([]byte{0, byte(len(topic))}, []byte(topic), []byte{0, 1}, []byte("5"))
		said, err := says(conn, append([]byte{0x32, byte(len(body))}, body...)...)
		if err != nil {
			t.Fatalf("publishing to %s: %v", topic, err)
		}
		own := strings.HasPrefix(topic, "sunsource/"+one.SourceID.String()+"/data")
		if came := said[0]>>4 == 3; came != own {
			t.Errorf("a publish to %s brings % x, own topic: %t", topic, said, own)
		}
		if own { // its PUBACK comes behind
			if _, err := says(conn); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish("sunsource/" + other.SourceID.String() + "/data")
	publish("sunsource/" + one.SourceID.String() + "/other")
	publish("sunsource/" + one.SourceID.String() + "/data/power")
}

func TestARotatedKeyOpensNothingAtTheBrokerOnceApplyReturns(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, 1)
	k := g.started()
	list, _ := g.ledger.List(t.Context(), uuid.Nil, 1)
	old := g.ledger.all[list[0].SourceID]
	name := sunsource.ClientID(old.SourceID)
	conn, _ := g.connect(name, name, old.Key)
	current := g.ledger.rotate(old)
	if err := k.Apply(t.Context(), old.SourceID); err != nil {
		t.Fatal(err)
	}
	if said, err := says(conn, 0xC0, 0); err == nil {
		t.Errorf("the connection with the old key still answers % x", said)
	}
	if g.opens(old) || !g.opens(current) {
		t.Error("not the new key alone opens the client")
	}

	// Applied once more it changes nothing: nobody is cut off.
	conn, _ = g.connect(name, name, current.Key)
	if err := k.Apply(t.Context(), old.SourceID); err != nil {
		t.Fatal(err)
	}
	if said, err := says(conn, 0xC0, 0); err != nil || said[0] != 0xD0 {
		t.Errorf("a connection with the current key was cut off: % x, %v", said, err)
	}
	if told := k.Stats().Told; told != 2 {
		t.Errorf("%d clients were told, want 2: the first and the rotation", told)
	}
}

func TestADeactivatedOrDeletedSourceIsShutOutAtTheBroker(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, 1)
	k := g.started()
	list, _ := g.ledger.List(t.Context(), uuid.Nil, 1)
	one := g.ledger.all[list[0].SourceID]
	name := sunsource.ClientID(one.SourceID)
	follow := func() {
		t.Helper()
		if err := k.Apply(t.Context(), one.SourceID); err != nil {
			t.Fatal(err)
		}
	}
	cutOff := func() {
		t.Helper()
		conn, code := g.connect(name, name, one.Key)
		if code != 0 {
			t.Fatalf("signing in is answered with %d", code)
		}
		t.Cleanup(func() {})
		done := make(chan error, 1)
		go func() { _, err := says(conn); done <- err }()
		one.Active = !one.Active
		g.ledger.set(one)
		follow()
		if err := <-done; err == nil {
			t.Error("a connection of the source lives on")
		}
	}
	cutOff()
	if g.opens(one) {
		t.Error("the key of an inactive source opens a session")
	}
	rotated := g.ledger.rotate(one) // while it is inactive
	follow()
	if g.opens(rotated) {
		t.Error("a rotation has made the source active")
	}
	one = rotated
	one.Active = true
	g.ledger.set(one)
	follow()
	if !g.opens(one) {
		t.Error("the key of a source that is active again opens nothing")
	}
	g.ledger.delete(one.SourceID)
	follow()
	if g.opens(one) {
		t.Error("the key of a deleted source opens a session")
	}
	follow() // it is gone already
}

func TestWhatCouldNotBeToldIsToldWhenTheBrokerIsBack(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, 5)
	proxy := newGate(t, g.host)
	u, _ := url.Parse(g.url)
	u.Host = proxy.address()
	k := g.keeperAt(u.String())
	t.Cleanup(g.run(k))
	g.await("the first comparison", func() bool { return k.Stats().Compared == 1 })

	list, _ := g.ledger.List(t.Context(), uuid.Nil, 5)
	var before []Grant
	for _, one := range list {
		before = append(before, g.ledger.all[one.SourceID])
	}
	proxy.shut()
	g.await("the loss is noticed", func() bool { return fault.Is(k.Ping(t.Context()), fault.Unavailable) })
	rotated := g.ledger.rotate(before[0])
	inactive := before[1]
	inactive.Active = false
	g.ledger.set(inactive)
	g.ledger.delete(before[2].SourceID)
	fresh := g.ledger.add()
	for _, id := range []uuid.UUID{rotated.SourceID, inactive.SourceID, before[2].SourceID, fresh.SourceID} {
		if err := k.Apply(t.Context(), id); !fault.Is(err, fault.Unavailable) {
			t.Errorf("telling a broker that is away: %v", err)
		}
	}
	if !g.opens(before[0]) {
		t.Error("the broker heard of a rotation while it was away")
	}
	proxy.open()
	g.await("the second comparison", func() bool { return k.Stats().Compared > 1 })
	for name, c := range map[string]struct {
		g    Grant
		want bool
	}{
		"the old key": {before[0], false}, "the new key": {rotated, true}, "an inactive source": {inactive, false},
		"a deleted source": {before[2], false}, "a new source": {fresh, true}, "one that did not change": {before[3], true},
	} {
		if got := g.opens(c.g); got != c.want {
			t.Errorf("%s: opens %t, want %t", name, got, c.want)
		}
	}
	if mended := k.Stats().Mended; mended != 5+4 {
		t.Errorf("%d clients were mended, want the 5 of the start and 4", mended)
	}
}

func TestTwoKeepersOfOneInstallationLeaveTheNewestKey(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, 3)
	a, b := g.keeper(), g.keeper()
	t.Cleanup(g.run(a))
	t.Cleanup(g.run(b))
	g.await("both have compared", func() bool { return a.Stats().Compared > 0 && b.Stats().Compared > 0 })
	if told := a.Stats().Told + b.Stats().Told; told != 3 {
		t.Errorf("3 clients were told %d times", told)
	}
	list, _ := g.ledger.List(t.Context(), uuid.Nil, 1)
	one := g.ledger.all[list[0].SourceID]
	for range 20 {
		old := one
		one = g.ledger.rotate(one)
		var both sync.WaitGroup
		var errs [2]error
		both.Go(func() { errs[0] = a.Apply(t.Context(), one.SourceID) })
		both.Go(func() { errs[1] = b.Apply(t.Context(), one.SourceID) })
		both.Wait()
		if err := errors.Join(errs[0], errs[1]); err != nil {
			t.Fatal(err)
		}
		if g.opens(old) || !g.opens(one) {
			t.Fatal("not the newest key alone opens the client")
		}
	}
	if told := a.Stats().Told + b.Stats().Told; told != 23 {
		t.Errorf("20 rotations and 3 clients were told %d times, want 23", told)
	}
}

func FuzzAnswersOfTheDynamicSecurityPlugin(f *testing.F) {
	f.Add([]byte(`{"responses":[{"command":"getClient","data":{"client":{"username":"hx","roles":[{"rolename":"hx"}]}},"correlationData":"a"}]}`))
	f.Add([]byte(`{"responses":[{"command":"createClient","error":"Client already exists"}]}`))
	f.Add([]byte(`{"responses":[{"command":"x","command":"y"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		said, err := parseAnswers(text)
		if err != nil {
			return
		}
		for _, one := range said {
			if len(one.Data) > len(text) || len(one.Error) > 4*len(text) {
				t.Error("an answer is longer than its message")
			}
		}
		if id, ok := sourceOf(string(text)); ok && describe(id, id)[:36] != id.String() {
			t.Error("a description names another source")
		}
	})
}
