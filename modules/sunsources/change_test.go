package sunsources_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/audit"
	"ampra/core/change"
	"ampra/core/fault"
	"ampra/core/patch"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/sunsources"
)

// eraser is the archive, as deleting sees it.
type eraser struct{ r *rig }

func (e eraser) Erase(ctx context.Context, source uuid.UUID) error {
	err := e.r.archive.Erase(ctx, source)
	if err == nil {
		e.r.steps = append(e.r.steps, "erased")
	}
	return err
}

type erasures struct{ r *rig }

func (e erasures) Pending(ctx context.Context, limit int) ([]uuid.UUID, error) {
	return e.r.records.Erasures.Pending(ctx, limit)
}

func (e erasures) Done(ctx context.Context, id uuid.UUID) error {
	e.r.steps = append(e.r.steps, "struck off")
	return e.r.records.Erasures.Done(ctx, id)
}

// wantSteps leaves the making of the sources out, with which a test begins.
func (r *rig) wantSteps(want ...string) {
	r.t.Helper()
	r.steps = slices.DeleteFunc(r.steps, func(step string) bool { return step == string(change.SourceCreated) })
	if !slices.Equal(r.steps, want) {
		r.t.Errorf("what happened is %q, want %q", r.steps, want)
	}
	r.steps = nil
}

// read stores n readings of a source.
func (r *rig) read(source uuid.UUID, n int) {
	r.t.Helper()
	for i := range n {
		reading := telemetry.Reading{SourceID: source, Timestamp: present().Add(time.Duration(i) * time.Second), ReceivedAt: present()}
		if errs := r.archive.Write(r.t.Context(), []telemetry.Placed{{Reading: reading}}); errs != nil {
			r.t.Fatal(errs)
		}
	}
}

func (r *rig) readings(source uuid.UUID) int {
	r.t.Helper()
	found, err := r.archive.History(r.t.Context(), telemetry.Span{SourceID: source, Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(found)
}

func (r *rig) pending() []uuid.UUID {
	r.t.Helper()
	ids, err := r.records.Erasures.Pending(r.t.Context(), 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	return ids
}

func patchOf(p sunsource.Patch) sunsources.Update { return sunsources.Update{Patch: p} }

func TestAnUpdateChangesWhatIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	group, about, watts := r.group(r.who.UserID), "South side", 5000.0
	made, err := r.Create(t.Context(), r.who, sunsources.Draft{
		Name: "Roof", ConnectionType: sunsource.MQTT, Description: &about, PowerGroupID: &group, InstalledCapacityWatts: &watts,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct { // one after another on one source
		name                     string
		patch                    sunsource.Patch
		want, description, group string
	}{
		{"nothing", sunsource.Patch{}, "Roof", "South side", "Home"},
		{"a name", sunsource.Patch{Name: patch.Set("Barn")}, "Barn", "South side", "Home"},
		{"no description", sunsource.Patch{Description: patch.Null[string]()}, "Barn", "", "Home"},
		{"a description", sunsource.Patch{Description: patch.Set("North")}, "Barn", "North", "Home"},
		{"no group", sunsource.Patch{PowerGroupID: patch.Null[uuid.UUID]()}, "Barn", "North", ""},
		{"a group", sunsource.Patch{PowerGroupID: patch.Set(group)}, "Barn", "North", "Home"},
		{"its own type", sunsource.Patch{ConnectionType: patch.Set(sunsource.MQTT)}, "Barn", "North", "Home"},
	} {
		now := r.clock.Advance(time.Minute)
		got, err := r.Update(t.Context(), r.who, made.ID, patchOf(c.patch), false)
		if err != nil || got.Name != c.want || text(got.Description) != c.description || text(got.PowerGroupName) != c.group ||
			*got.InstalledCapacityWatts != watts || !got.UpdatedAt.Equal(now) || !got.CreatedAt.Equal(present()) || !got.Secret.IsZero() {
			t.Errorf("%s: %+v, %v", c.name, got.SunSource, err)
		}
		if again, err := r.Get(t.Context(), r.who, made.ID, false); err != nil || again.Name != got.Name || !again.UpdatedAt.Equal(now) {
			t.Errorf("%s, read back: %+v, %v", c.name, again.SunSource, err)
		}
	}
	r.wantSteps() // nothing that devices depend on
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func TestAWrongUpdateNamesAllFieldsAndChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mqtt, webhook, foreign := r.make(sunsource.MQTT), r.make(sunsource.Webhook), r.group(uuid.New())
	var unreadable fault.Fields
	unreadable.Add("longitude", "must be a number")
	wrong := patchOf(sunsource.Patch{
		Name: patch.Null[string](), IsActive: patch.Null[bool](), Currency: patch.Null[string](), Latitude: patch.Set(91.0),
		PowerGroupID: patch.Set(foreign), ConnectionType: patch.Set(sunsource.Webhook),
	})
	wrong.Unreadable = unreadable
	_, err := r.Update(t.Context(), r.who, mqtt, wrong, false)
	wantFields(t, err, "currency", "isActive", "latitude", "longitude", "name", "powerGroupId")
	_, err = r.Update(t.Context(), r.who, mqtt, patchOf(sunsource.Patch{Name: patch.Set("x"), ConnectionType: patch.Set(sunsource.Webhook)}), false)
	wantCode(t, err, fault.Conflict)
	_, err = r.Update(t.Context(), r.who, webhook, sunsources.Update{Patch: sunsource.Patch{Name: patch.Set("x")}, RegenerateMQTTKey: true}, false)
	wantCode(t, err, fault.Conflict)
	r.records.AuditLog.FailNext(1, errAway)
	shut := sunsources.Update{Patch: sunsource.Patch{Name: patch.Set("x"), IsActive: patch.Set(false)}, RegenerateMQTTKey: true}
	_, err = r.Update(t.Context(), r.who, mqtt, shut, true)
	if !errors.Is(err, errAway) {
		t.Errorf("without the audit entry: %v", err)
	}
	r.outbox = errAway
	if _, err = r.Update(t.Context(), r.who, mqtt, shut, false); !errors.Is(err, errAway) {
		t.Errorf("without the outbox: %v", err)
	}
	for _, id := range []uuid.UUID{mqtt, webhook} {
		got, err := r.Get(t.Context(), r.who, id, true)
		if err != nil || got.Name != "Roof" || !got.IsActive || got.Secret.Reveal() != "drawn" || !got.UpdatedAt.Equal(present()) {
			t.Errorf("it is %+v, %v", got.SunSource, err)
		}
	}
	if slices.Contains(r.steps, "settled") {
		t.Errorf("what was rolled back was settled: %q", r.steps)
	}
}

func TestADeactivationAndANewKeyAreSettledBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.make(sunsource.MQTT)
	active := func(v bool) sunsource.Patch { return sunsource.Patch{IsActive: patch.Set(v)} }
	update := func(u sunsources.Update) sunsources.Revealed {
		t.Helper()
		got, err := r.Update(t.Context(), r.who, id, u, true)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	update(patchOf(active(true)))
	r.wantSteps()
	if got := update(patchOf(active(false))); got.IsActive {
		t.Error("it is active still")
	}
	r.wantSteps("source.updated", "settled")
	update(patchOf(active(false)))
	r.wantSteps()
	if got := update(sunsources.Update{Patch: active(true), RegenerateMQTTKey: true}); !got.IsActive || got.Secret.Reveal() != "new" {
		t.Errorf("got %+v", got.SunSource)
	}
	r.wantSteps("credentials.rotated", "source.updated", "settled")
}

func TestAnUpdateThatIsNotConfirmedEverywhereIsSavedAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.make(sunsource.MQTT)
	r.settle = errors.New("a process hangs")
	got, err := r.Update(t.Context(), r.who, id, patchOf(sunsource.Patch{IsActive: patch.Set(false)}), true)
	wantCode(t, err, fault.Unavailable)
	if !errors.Is(err, r.settle) || !got.Secret.IsZero() {
		t.Errorf("got %v", err)
	}
	if saved, err := r.Get(t.Context(), r.who, id, false); err != nil || saved.IsActive {
		t.Errorf("saved is %+v, %v", saved.SunSource, err)
	}
}

func TestAnothersSourceIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.make(sunsource.MQTT)
	r.read(id, 3)
	for name, who := range map[string]actor.Actor{
		"another": {UserID: uuid.New(), Role: actor.Overseer},
		"nobody":  {},
	} {
		for _, target := range []uuid.UUID{id, uuid.New()} {
			_, err := r.Get(t.Context(), who, target, true)
			wantCode(t, err, fault.NotFound)
			_, err = r.Update(t.Context(), who, target, sunsources.Update{RegenerateMQTTKey: true}, true)
			wantCode(t, err, fault.NotFound)
			wantCode(t, r.Delete(t.Context(), who, target), fault.NotFound)
		}
		if list, err := r.List(t.Context(), who, sunsource.Filter{}, sunsource.Page{}); err != nil || len(list) != 0 {
			t.Errorf("%s sees %d sources, %v", name, len(list), err)
		}
	}
	r.wantSteps()
	if got := r.stored(id); got != [4]int{1, 1, 0, 0} || r.readings(id) != 3 {
		t.Errorf("left are %v and %d readings", got, r.readings(id))
	}
}

func TestShowingASecretLeavesAnAuditEntry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	made, err := r.Create(t.Context(), r.who, sunsources.Draft{Name: "Roof", ConnectionType: sunsource.MQTT}, true)
	if err != nil {
		t.Fatal(err)
	}
	entries := 1
	for _, reveal := range []bool{true, false} {
		got, err := r.Get(t.Context(), r.who, made.ID, reveal)
		updated, err2 := r.Update(t.Context(), r.who, made.ID, sunsources.Update{}, reveal)
		if err := errors.Join(err, err2); err != nil || got.Secret.IsZero() == reveal || updated.Secret.IsZero() == reveal {
			t.Errorf("asked for the secret: %v, %v", reveal, err)
		}
		if reveal {
			entries += 2
		}
		log, err := r.records.AuditLog.About(t.Context(), made.ID)
		if err != nil || len(log) != entries || log[0].Act != audit.CredentialsShown || log[0].ActorID != r.who.UserID {
			t.Errorf("the audit log has %+v, %v", log, err)
		}
	}
}

func TestADeletedSourceIsGoneBeforeItsTelemetryIsErased(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, neighbour := r.make(sunsource.MQTT), r.make(sunsource.MQTT)
	r.read(id, 3)
	r.read(neighbour, 2)
	if err := r.Delete(t.Context(), r.who, id); err != nil {
		t.Fatal(err)
	}
	r.wantSteps("source.deleted", "settled", "erased")
	if r.readings(id) != 0 || r.readings(neighbour) != 2 || !slices.Equal(r.pending(), []uuid.UUID{id}) || r.stored(id) != [4]int{1, 1, 0, 1} {
		t.Errorf("left are %d readings, %d of the neighbour's, pending %v, stored %v", r.readings(id), r.readings(neighbour), r.pending(), r.stored(id))
	}
	wantCode(t, r.Delete(t.Context(), r.who, id), fault.NotFound)
}

func TestADeletionThatFailsDeletesNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*rig){
		"the source":    func(r *rig) { r.records.SunSources.LoseAnswers(1, errAway) },
		"the audit log": func(r *rig) { r.records.AuditLog.FailNext(1, errAway) },
		"the outbox":    func(r *rig) { r.outbox = errAway },
		"the commit":    func(r *rig) { r.records.Commits.FailNext(1, errAway) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			id := r.make(sunsource.MQTT)
			r.read(id, 3)
			fail(r)
			if err := r.Delete(t.Context(), r.who, id); !errors.Is(err, errAway) {
				t.Errorf("got %v", err)
			}
			if r.readings(id) != 3 || len(r.pending()) != 0 || r.stored(id) != [4]int{1, 1, 0, 0} || slices.Contains(r.steps, "settled") {
				t.Errorf("left are %d readings, pending %v, stored %v, steps %q", r.readings(id), r.pending(), r.stored(id), r.steps)
			}
		})
	}
}

func TestADeletionThatIsNotConfirmedEverywhereErasesLater(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.make(sunsource.MQTT)
	r.read(id, 3)
	r.settle = errors.New("a process hangs")
	wantCode(t, r.Delete(t.Context(), r.who, id), fault.Unavailable)
	// Another process may write still: erasing now would be too early.
	if r.readings(id) != 3 || !slices.Equal(r.pending(), []uuid.UUID{id}) {
		t.Errorf("%d readings left, pending %v", r.readings(id), r.pending())
	}
	_, err := r.Get(t.Context(), r.who, id, false)
	wantCode(t, err, fault.NotFound)
}

func TestAWriteThatLandsAfterTheErasureIsErasedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.make(sunsource.MQTT)
		if err := r.Delete(t.Context(), r.who, id); err != nil {
			t.Fatal(err)
		}
		r.read(id, 2) // it was on its way
		r.forget(2)
		if r.readings(id) != 0 || len(r.pending()) != 0 {
			t.Errorf("%d readings left, pending %v", r.readings(id), r.pending())
		}
	})
}

// forget runs EraseForgotten for so many ticks, in a bubble.
func (r *rig) forget(ticks int) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	tick, ended := make(chan time.Time), make(chan error, 1)
	go func() { ended <- r.EraseForgotten(ctx, tick) }()
	for range ticks {
		tick <- present()
		synctest.Wait()
	}
	cancel()
	if err := <-ended; err != nil {
		r.t.Errorf("erasing ended with %v", err)
	}
}

func TestWhatCouldNotBeErasedIsErasedWhenTheArchiveIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, eraseWhenBack)
}

func eraseWhenBack(t *testing.T) {
	r := newRig(t)
	ids := []uuid.UUID{r.make(sunsource.MQTT), r.make(sunsource.Webhook), r.make(sunsource.MQTT)}
	neighbour := r.make(sunsource.MQTT)
	for _, id := range append(ids, neighbour) {
		r.read(id, 2)
	}
	r.archive.ReadFaults.FailNext(len(ids), errAway)
	for _, id := range ids {
		if err := r.Delete(t.Context(), r.who, id); err != nil {
			t.Fatalf("with the archive away: %v", err)
		}
	}
	if !slices.Equal(r.pending(), ids) || len(r.deferred) != len(ids) || !errors.Is(r.deferred[0], errAway) {
		t.Fatalf("pending are %v, deferred %v", r.pending(), r.deferred)
	}
	r.deferred = nil

	r.archive.ReadFaults.FailNext(1, errAway)
	calls := r.archive.ReadFaults.Calls()
	r.forget(1)
	if n := r.archive.ReadFaults.Calls() - calls; n != 1 || len(r.pending()) != 3 || len(r.deferred) != 1 {
		t.Errorf("with the archive still away: %d calls, pending %v, deferred %v", n, r.pending(), r.deferred)
	}
	r.archive.ReadFaults.FailNext(1, errors.New("its rows are odd"))
	r.forget(2)
	if !slices.Equal(r.pending(), ids[:1]) || len(r.deferred) != 2 || r.readings(ids[1]) != 0 || r.readings(ids[2]) != 0 {
		t.Errorf("with one that can't be erased: pending %v, deferred %v", r.pending(), r.deferred)
	}
	r.records.Erasures.FailNext(1, errAway)
	r.forget(3)
	if len(r.pending()) != 0 || len(r.deferred) != 3 || r.readings(ids[0]) != 0 || r.readings(neighbour) != 2 {
		t.Errorf("at last: pending %v, deferred %v, %d of the neighbour's readings", r.pending(), r.deferred, r.readings(neighbour))
	}
}
