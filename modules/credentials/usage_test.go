package credentials_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
	"ampra/modules/credentials"
)

func TestASecretIsShownOnlyWithItsAuditEntry(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, _ := d.make(sunsource.Webhook)
	d.records.AuditLog.FailNext(1, errAway)
	if secret, err := d.Reveal(t.Context(), d.who, id); !errors.Is(err, errAway) || !secret.IsZero() {
		t.Errorf("without an entry: %v", err)
	}
	_, err := d.Reveal(t.Context(), d.who, uuid.New())
	wantCode(t, err, fault.NotFound)
	d.sealer.current = "another" // and the old key is lost
	if secret, err := d.Reveal(t.Context(), d.who, id); err == nil || !secret.IsZero() {
		t.Errorf("without the key that sealed it: %v", err)
	}
}

func TestASessionEndsWhenItsCredentialDoesAsItStandsNow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, key := d.make(sunsource.MQTT)
	session, err := d.signIn(id, key)
	if err != nil || session.ValidUntil != nil {
		t.Fatalf("got %+v, %v", session, err)
	}
	until := func(want *time.Time) {
		t.Helper()
		got, err := d.gate.ValidUntil(t.Context(), session)
		if err != nil || (got == nil) != (want == nil) || (want != nil && !got.Equal(*want)) {
			t.Errorf("it ends at %v, %v, want %v", got, err, want)
		}
	}
	over, grace := time.Time{}, present().Add(time.Hour)
	until(nil)
	d.rotate(id, sunsource.MQTT, time.Hour)
	until(&grace)
	d.rotate(id, sunsource.MQTT, time.Hour)
	until(&over)
	if err := d.records.SunSources.Delete(t.Context(), d.who.UserID, id); err != nil {
		t.Fatal(err)
	}
	d.wire.tell(id)
	until(&over)
	d.wire.cutOff = true
	d.records.Access.FailNext(1, errAway)
	if _, err := d.gate.ValidUntil(t.Context(), session); err == nil {
		t.Error("with the records away it is told all the same")
	}
}

// many is a source with so many credentials sealed with k1.
func (d *desk) many(n int) (uuid.UUID, []credential.Credential) {
	d.t.Helper()
	id, _ := d.make(sunsource.Webhook)
	for version := 2; version <= n; version++ {
		c := credential.Credential{ID: uuid.New(), SourceID: id, Kind: sunsource.Webhook, Version: version}
		var err error
		if c.Sealed, err = d.sealer.Seal([]byte(c.ID.String()), c.AssociatedData()); err != nil {
			d.t.Fatal(err)
		}
		if err := d.records.Credentials.Add(d.t.Context(), c); err != nil {
			d.t.Fatal(err)
		}
	}
	return id, d.list(id)
}

func TestResealingIsTakenUpAgainWhereItWasInterrupted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, before := d.many(1001)
	d.sealer = rowSealer{current: "k2", known: []string{"k1"}}
	var told []int
	progress := func(n int) { told = append(told, n) }

	d.records.Credentials.PassNext(1 + 500 + 1 + 7) // a batch, and a part of the next
	d.records.Credentials.FailNext(1, errAway)
	done, err := d.Reseal(t.Context(), progress)
	if !errors.Is(err, errAway) || done != 507 || !slices.Equal(told, []int{500}) {
		t.Fatalf("interrupted after %d, %v, told %v", done, err, told)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if done, err = d.Reseal(ended, progress); !errors.Is(err, context.Canceled) || done != 0 {
		t.Errorf("with its context over: %d, %v", done, err)
	}
	told = nil
	if done, err = d.Reseal(t.Context(), progress); err != nil || done != 494 || !slices.Equal(told, []int{494}) {
		t.Errorf("taken up: %d, %v, told %v", done, err, told)
	}
	d.sealer.known = nil // k1 is not needed any more
	for i, c := range d.list(id) {
		plain, err := d.sealer.Open(c.Sealed, c.AssociatedData())
		if err != nil || c.Sealed.KeyID != "k2" || c.ID != before[i].ID || (c.Version > 1 && string(plain) != c.ID.String()) {
			t.Fatalf("version %d holds %q, %v", c.Version, plain, err)
		}
	}
	told = nil
	if done, err = d.Reseal(t.Context(), progress); done != 0 || err != nil || len(told) != 0 {
		t.Errorf("once more: %d, %v, told %v", done, err, told)
	}
}

func TestResealingDoesNotBringBackACredentialThatWasReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, old := d.make(sunsource.MQTT)
	d.sealer = rowSealer{current: "k2", known: []string{"k1"}}
	var next credential.Secret
	service := d.service(meanwhile{d.records.Credentials, func() { next = d.rotate(id, sunsource.MQTT, 0) }}, d.records, nil)
	if _, err := service.Reseal(t.Context(), func(int) {}); err != nil {
		t.Fatal(err)
	}
	if list := d.list(id); len(list) != 1 || !d.secret(id).Equal(next) || next.Equal(old) {
		t.Errorf("stored are %+v", list)
	}
}

// meanwhile does something just before a box is replaced.
type meanwhile struct {
	credential.Repository
	act func()
}

func (m meanwhile) Reseal(ctx context.Context, id uuid.UUID, old, sealed credential.Sealed) error {
	m.act()
	return m.Repository.Reseal(ctx, id, old, sealed)
}

func TestACredentialThatDoesNotOpenIsNotSealedAnew(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, _ := d.make(sunsource.MQTT)
	before := d.list(id)[0].Sealed
	d.sealer = rowSealer{current: "k2"} // k1 is lost
	if done, err := d.Reseal(t.Context(), func(int) {}); err == nil || done != 0 {
		t.Errorf("got %d, %v", done, err)
	}
	if after := d.list(id)[0].Sealed; after.KeyID != before.KeyID || string(after.Box) != string(before.Box) {
		t.Error("the box was replaced")
	}
}

// newUsage returns the Usage of a process on the desk's fakes, and what failed.
func (d *desk) newUsage(keys credential.Repository) (*credentials.Usage, *[]error) {
	var failed []error
	return credentials.NewUsage(credentials.UsageDeps{
		Credentials: keys, Presence: &d.present, Clock: d.clock, Process: uuid.New(),
		Failed: func(err error) { failed = append(failed, err) },
	}), &failed
}

// seen is what the owner sees: when the current credential was used, in minutes
// since the present, and how many devices are connected.
func (d *desk) seen(id uuid.UUID) (minutes, connected int) {
	d.t.Helper()
	status, err := d.Status(d.t.Context(), d.who, id)
	if err != nil {
		d.t.Fatal(err)
	}
	if status.LastUsedAt == nil {
		return -1, status.Connected
	}
	return int(status.LastUsedAt.Sub(present()).Minutes()), status.Connected
}

func TestUseAndSessionsAreSeenAfterAFlush(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, _ := d.make(sunsource.MQTT)
	key := d.list(id)[0].ID
	usage, _ := d.newUsage(d.records.Credentials)
	other, _ := d.newUsage(d.records.Credentials) // another process
	check := func(minutes, connected int) {
		t.Helper()
		if err := errors.Join(usage.Flush(t.Context()), other.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		if m, c := d.seen(id); m != minutes || c != connected {
			t.Errorf("used at minute %d, %d connected; want %d and %d", m, c, minutes, connected)
		}
	}
	check(-1, 0)
	usage.Used(key, present().Add(time.Minute))
	usage.Used(uuid.New(), present()) // one that is gone
	usage.Opened(id)
	usage.Opened(id)
	other.Opened(id)
	if m, c := d.seen(id); m != -1 || c != 0 {
		t.Errorf("before a flush: used at minute %d, %d connected", m, c)
	}
	check(1, 3)
	usage.Closed(id)
	check(1, 2)
	usage.Used(key, present().Add(2*time.Minute))
	usage.Closed(id)
	other.Closed(id)
	check(2, 0)
	usage.Closed(id) // one too many
	usage.Opened(id)
	check(2, 1)
}

func TestWhatCouldNotBeWrittenIsKeptForTheNextFlush(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, _ := d.make(sunsource.MQTT)
	key := d.list(id)[0].ID
	usage, _ := d.newUsage(d.records.Credentials)
	still, _ := d.make(sunsource.MQTT)
	usage.Used(key, present().Add(time.Minute))
	usage.Opened(id)
	usage.Opened(still)

	d.records.Credentials.FailNext(1, errAway)
	if err := usage.Flush(t.Context()); !errors.Is(err, errAway) {
		t.Fatalf("with the credentials away: %v", err)
	}
	d.present.err = errAway
	if err := usage.Flush(t.Context()); !errors.Is(err, errAway) {
		t.Fatalf("with the presence away: %v", err)
	}
	usage.Opened(id) // the next flush tells how many there are then
	d.present.err = nil
	if err := usage.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m, c := d.seen(id); m != 1 || c != 2 {
		t.Errorf("used at minute %d, %d connected", m, c)
	}
	if _, c := d.seen(still); c != 1 {
		t.Errorf("%d connected of the source that did not change again", c)
	}
}

// refusing is away once, and more is used meanwhile.
type refusing struct {
	credential.Repository
	meanwhile *func()
}

func (r refusing) Touch(ctx context.Context, used map[uuid.UUID]time.Time) error {
	if act := *r.meanwhile; act != nil {
		*r.meanwhile = nil
		act()
		return errAway
	}
	return r.Repository.Touch(ctx, used)
}

func TestAUseWhileAFlushFailsIsNotLostToTheOneBefore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, _ := d.make(sunsource.MQTT)
	key := d.list(id)[0].ID
	var meanwhile func()
	usage, _ := d.newUsage(refusing{d.records.Credentials, &meanwhile})
	meanwhile = func() { usage.Used(key, present().Add(3*time.Minute)) }
	usage.Used(key, present().Add(2*time.Minute))
	if err := usage.Flush(t.Context()); !errors.Is(err, errAway) {
		t.Fatalf("got %v", err)
	}
	if err := usage.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m, _ := d.seen(id); m != 3 {
		t.Errorf("used at minute %d", m)
	}
}

// run runs usage for so many ticks and returns what it ended with.
func run(t *testing.T, usage *credentials.Usage, ticks int) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tick, ended := make(chan time.Time), make(chan error, 1)
	go func() { ended <- usage.Run(ctx, tick) }()
	for range ticks {
		tick <- present()
	}
	cancel()
	return <-ended
}

func TestUsageIsWrittenAtEachTickAndOnceMoreAtTheEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, _ := d.make(sunsource.MQTT)
	key := d.list(id)[0].ID
	usage, failed := d.newUsage(d.records.Credentials)
	usage.Used(key, present().Add(time.Minute))
	usage.Opened(id)
	if err := run(t, usage, 0); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if m, c := d.seen(id); m != 1 || c != 1 {
		t.Errorf("after the end: used at minute %d, %d connected", m, c)
	}
	usage.Used(key, present().Add(2*time.Minute))
	d.records.Credentials.FailNext(1, errAway)
	if err := run(t, usage, 2); err != nil { // the second tick is taken when the first is done
		t.Errorf("it ended with %v", err)
	}
	if m, _ := d.seen(id); m != 2 || len(*failed) != 1 || !errors.Is((*failed)[0], errAway) {
		t.Errorf("after a tick that failed: used at minute %d, told of %v", m, *failed)
	}
	usage.Used(key, present().Add(3*time.Minute))
	d.records.Credentials.FailNext(1, errAway)
	if err := run(t, usage, 0); !errors.Is(err, errAway) {
		t.Errorf("when the last flush fails: %v", err)
	}
}

func TestTheLastFlushDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		usage, _ := d.newUsage(d.records.Credentials)
		usage.Used(uuid.New(), present())
		release := d.records.Credentials.Block()
		defer release()
		began := time.Now()
		if err := run(t, usage, 0); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
			t.Errorf("it ended after %s with %v", time.Since(began), err)
		}
	})
}
