package credentials_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

func TestASecretIsDrawnForItsKindAndSealedForItsRow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for kind, prefix := range map[sunsource.ConnectionType]string{sunsource.MQTT: "ak_", sunsource.Webhook: "wh_"} {
		id, secret := d.make(kind)
		if text := secret.Reveal(); !strings.HasPrefix(text, prefix) || len(text) != len(prefix)+43 {
			t.Errorf("the secret of %s is %q", kind, text)
		}
		c := d.list(id)[0]
		if c.Digest.Matches(secret) != (kind == sunsource.MQTT) || c.Version != 1 || c.ValidUntil != nil || c.Sealed.KeyID != "k1" {
			t.Errorf("stored is %+v", c)
		}
		if _, err := d.sealer.Open(c.Sealed, credential.Credential{ID: uuid.New(), SourceID: id}.AssociatedData()); err == nil {
			t.Error("the box opens in another row")
		}
		if next := d.rotate(id, kind, 0); !strings.HasPrefix(next.Reveal(), prefix) || next.Equal(secret) || !d.secret(id).Equal(next) {
			t.Errorf("the next one of %s is %q", kind, next.Reveal())
		}
	}
	own := credential.NewSecret("a secret of one's own")
	id := uuid.New()
	if err := d.records.SunSources.Create(t.Context(), sunsource.SunSource{ID: id, OwnerID: d.who.UserID}); err != nil {
		t.Fatal(err)
	}
	for _, left := range []int64{0, 20} {
		short := d.service(d.records.Credentials, d.records, io.LimitReader(rand.Reader, left))
		if err := short.Issue(t.Context(), id, sunsource.MQTT, credential.Secret{}); err == nil || len(d.list(id)) != 0 {
			t.Errorf("with %d random bytes: %v", left, err)
		}
	}
	if err := d.Issue(t.Context(), id, sunsource.Webhook, own); err != nil || !d.secret(id).Equal(own) {
		t.Errorf("a secret of one's own: %v", err)
	}
}

func TestARotationWithoutAGraceEndsEverythingBefore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, first := d.make(sunsource.MQTT)
	old, err := d.signIn(id, first)
	if err != nil {
		t.Fatal(err)
	}
	second := d.rotate(id, sunsource.MQTT, time.Hour)
	keys := map[string]credential.Secret{"first": first, "second": second}
	d.opens(id, map[string]bool{"first": true, "second": true}, keys)
	until, err := d.gate.ValidUntil(t.Context(), old)
	if err != nil || until == nil || !until.Equal(present().Add(time.Hour)) {
		t.Errorf("the first one's session ends at %v, %v", until, err)
	}
	keys["third"] = d.rotate(id, sunsource.MQTT, 0)
	d.opens(id, map[string]bool{"third": true}, keys)
	if holds, err := d.gate.Holds(t.Context(), old); holds || err != nil {
		t.Errorf("the first one's session holds: %v, %v", holds, err)
	}
	if status, err := d.Status(t.Context(), d.who, id); err != nil || status.Previous != nil {
		t.Errorf("the status is %+v, %v", status, err)
	}
	if n := len(d.list(id)); n != 1 {
		t.Errorf("%d credentials are stored", n)
	}
	log, err := d.records.AuditLog.About(t.Context(), id)
	if err != nil || log[0].Act != audit.CredentialsRotated || log[0].ActorID != d.who.UserID {
		t.Errorf("the audit log has %+v, %v", log, err)
	}
}

func TestAGraceKeepsTheOneBeforeAndNoOlderOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, first := d.make(sunsource.MQTT)
	keys := map[string]credential.Secret{"first": first, "second": d.rotate(id, sunsource.MQTT, time.Hour)}
	used := d.clock.Advance(time.Minute)
	if err := d.records.Credentials.Touch(t.Context(), map[uuid.UUID]time.Time{d.list(id)[1].ID: used}); err != nil {
		t.Fatal(err)
	}
	status, err := d.Status(t.Context(), d.who, id)
	if err != nil || status.Kind != sunsource.MQTT || !status.CreatedAt.Equal(present()) || status.LastUsedAt != nil || status.Previous == nil ||
		!status.Previous.ValidUntil.Equal(present().Add(time.Hour)) || !status.Previous.LastUsedAt.Equal(used) {
		t.Errorf("the status is %+v, %v", status, err)
	}
	keys["third"] = d.rotate(id, sunsource.MQTT, credential.MaxGrace)
	d.opens(id, map[string]bool{"second": true, "third": true}, keys)
	d.clock.Advance(credential.MaxGrace)
	d.opens(id, map[string]bool{"third": true}, keys)
	if status, err := d.Status(t.Context(), d.who, id); err != nil || status.Previous != nil || !status.CreatedAt.Equal(used) {
		t.Errorf("after the grace the status is %+v, %v", status, err)
	}
}

func TestARotationIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mqtt, key := d.make(sunsource.MQTT)
	webhook, secret := d.make(sunsource.Webhook)
	stranger := actor.Actor{UserID: uuid.New(), Role: actor.Overseer}
	for name, c := range map[string]struct {
		who    actor.Actor
		source uuid.UUID
		kind   sunsource.ConnectionType
		grace  time.Duration
		want   fault.Code
	}{
		"a negative grace":            {d.who, mqtt, sunsource.MQTT, -1, fault.Invalid},
		"a grace of above 7 days":     {d.who, mqtt, sunsource.MQTT, credential.MaxGrace + 1, fault.Invalid},
		"a webhook secret of MQTT":    {d.who, mqtt, sunsource.Webhook, 0, fault.Conflict},
		"an MQTT key of a webhook":    {d.who, webhook, sunsource.MQTT, time.Hour, fault.Conflict},
		"another's source":            {stranger, mqtt, sunsource.MQTT, 0, fault.NotFound},
		"another's, of another kind":  {stranger, webhook, sunsource.MQTT, 0, fault.NotFound},
		"nobody":                      {actor.Actor{}, mqtt, sunsource.MQTT, 0, fault.NotFound},
		"a source that is not there ": {d.who, uuid.New(), sunsource.MQTT, 0, fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			next, err := d.Rotate(t.Context(), c.who, c.source, c.kind, c.grace)
			wantCode(t, err, c.want)
			if f := new(fault.Error); errors.As(err, &f) && c.want == fault.Invalid && len(f.Fields["graceSeconds"]) != 1 {
				t.Errorf("the fields are %v", f.Fields)
			}
			if !next.IsZero() || !d.secret(mqtt).Equal(key) || !d.secret(webhook).Equal(secret) {
				t.Error("something was rotated")
			}
			_, err = d.Status(t.Context(), c.who, c.source)
			if c.want == fault.NotFound {
				wantCode(t, err, fault.NotFound)
			}
		})
	}
	if len(d.wire.changes) != 0 {
		t.Errorf("the feed was told %v", d.wire.changes)
	}
}

func TestARotationThatFailsLeavesTheOldKeyAsItWas(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*desk){
		"the source":     func(d *desk) { d.records.SunSources.FailNext(1, errAway) },
		"the list":       func(d *desk) { d.records.Credentials.FailNext(1, errAway) },
		"the credential": func(d *desk) { d.records.Credentials.PassNext(1); d.records.Credentials.LoseAnswers(1, errAway) },
		"the audit log":  func(d *desk) { d.records.AuditLog.FailNext(1, errAway) },
		"the outbox":     func(d *desk) { d.wire.outbox = errAway },
		"the commit":     func(d *desk) { d.records.Commits.FailNext(1, errAway) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id, key := d.make(sunsource.MQTT)
			fail(d)
			next, err := d.Rotate(t.Context(), d.who, id, sunsource.MQTT, time.Hour)
			if !errors.Is(err, errAway) || !next.IsZero() || d.wire.settled != 0 {
				t.Errorf("got %v", err)
			}
			if list := d.list(id); len(list) != 1 || list[0].ValidUntil != nil || !d.secret(id).Equal(key) {
				t.Errorf("stored are %+v", list)
			}
		})
	}
}

func TestARotationThatIsNotConfirmedEverywhereHasHappenedAllTheSame(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, key := d.make(sunsource.MQTT)
	d.wire.hangs = errors.New("a process hangs")
	next, err := d.Rotate(t.Context(), d.who, id, sunsource.MQTT, 0)
	wantCode(t, err, fault.Unavailable)
	if !errors.Is(err, d.wire.hangs) || !next.IsZero() || d.secret(id).Equal(key) {
		t.Errorf("got %v", err)
	}
}

func TestRotationsAtOnceLeaveOneCurrentKey(t *testing.T) {
	t.Parallel()
	const n = 8
	d := newDesk(t)
	id, _ := d.make(sunsource.MQTT)
	secrets := make(chan credential.Secret, n)
	for range n {
		go func() {
			secret, err := d.Rotate(t.Context(), d.who, id, sunsource.MQTT, time.Hour)
			if err != nil && !fault.Is(err, fault.Conflict) {
				t.Errorf("got %v", err)
			}
			secrets <- secret
		}()
	}
	current := 0
	for range n {
		if secret := <-secrets; secret.Equal(d.secret(id)) {
			current++
		}
	}
	list := d.list(id)
	if len(list) != 2 || list[0].ValidUntil != nil || list[1].ValidUntil == nil {
		t.Errorf("stored are %+v", list)
	}
	if last, err := d.Status(t.Context(), d.who, id); err != nil || last.Previous == nil || current == 0 {
		t.Errorf("the status is %+v, %v, %d of them current", last, err, current)
	}
}

// together lets nobody go on from List before all have listed.
type together struct {
	credential.Repository
	all *sync.WaitGroup
}

func (r together) List(ctx context.Context, source uuid.UUID) ([]credential.Credential, error) {
	list, err := r.Repository.List(ctx, source)
	r.all.Done()
	r.all.Wait()
	return list, err
}

// loose is a store that isolates nothing.
type loose struct{}

func (loose) Run(ctx context.Context, act func(context.Context) error) error { return act(ctx) }

func TestOfTwoRotationsThatSawTheSameKeyOneIsAConflict(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, _ := d.make(sunsource.MQTT)
	var all sync.WaitGroup
	all.Add(2)
	service := d.service(together{d.records.Credentials, &all}, loose{}, rand.Reader)
	secrets, errs := [2]credential.Secret{}, make(chan error, 2)
	for i := range 2 {
		go func() {
			var err error
			secrets[i], err = service.Rotate(t.Context(), d.who, id, sunsource.MQTT, 0)
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if first == nil {
		first, second = second, first
	}
	wantCode(t, first, fault.Conflict)
	if second != nil || secrets[0].IsZero() == secrets[1].IsZero() {
		t.Errorf("the other: %v", second)
	}
	if current := d.secret(id); len(d.list(id)) != 1 || !current.Equal(secrets[0]) && !current.Equal(secrets[1]) {
		t.Errorf("stored are %+v", d.list(id))
	}
}
