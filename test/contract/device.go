package contract

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/device"
	"ampra/core/sunsource"
)

// Devices are the ports of devices' states, on one store.
type Devices interface {
	device.Book
	device.Watch
	device.Statuses
	device.Fleet
}

// DeviceStates runs what every device.Book, Watch, Statuses and Fleet promises.
// open is called once.
func DeviceStates(t *testing.T, open func(t *testing.T) Records) {
	t.Helper()
	tests := map[string]func(*testing.T, Records){
		"who was never heard is unknown":                              deviceUnknown,
		"who is heard is online, and the history says since when":     deviceHeard,
		"what is older than what is stored changes nothing":           deviceMonotone,
		"thousands are told in one go, without those that are gone":   deviceBatch,
		"silence is judged once somebody listens":                     deviceSwept,
		"who comes back after silence is online again":                deviceBack,
		"a backlog brings nobody online":                              deviceBacklog,
		"a history is cut at its ends and by its limit":               deviceHistory,
		"a history is shortened by age and number":                    devicePruned,
		"a deleted source takes its state and history along":          deviceDeleted,
		"sources are found by words, whatever their case and marks":   deviceSearch,
		"a list is in every order, in pages of any size":              deviceOrders,
		"a page begins behind its place, whatever came or went":       devicePlaces,
		"an overview sums up what is online and counts what is not":   deviceOverview,
		"states are counted over all owners, the never heard as well": deviceCounts,
	}
	for name, test := range tests {
		tests[name] = func(t *testing.T, r Records) {
			r.listen(t, instantOf(-1_000_000), instantOf(-1_000_000)) // nobody any more
			test(t, r)
		}
	}
	recordTests(t, open, tests)
}

func pulseAt(times ...time.Time) device.Pulse {
	var p device.Pulse
	for _, at := range times {
		p.Hear(at, at)
	}
	return p
}

// heardAt is one that was heard at a moment and is online.
func heardAt(source uuid.UUID, at time.Time) device.Heard {
	return device.Heard{
		SourceID: source, FirstAt: at, LastSeenAt: at, Online: true, CheckAt: at.Add(15 * time.Minute), Pulse: pulseAt(at.Add(-time.Minute), at),
	}
}

func (r Records) hear(t *testing.T, heard ...device.Heard) []device.Change {
	t.Helper()
	changes, err := r.Devices.Hear(t.Context(), heard)
	must(t, err)
	return changes
}

func (r Records) status(t *testing.T, source uuid.UUID) device.Status {
	t.Helper()
	s, err := r.Devices.Status(t.Context(), source)
	must(t, err)
	return s
}

func (r Records) history(t *testing.T, source uuid.UUID, stretch device.Stretch) []device.Change {
	t.Helper()
	if stretch.Limit == 0 {
		stretch.Limit = 5000
	}
	list, err := r.Devices.Changes(t.Context(), source, stretch)
	must(t, err)
	return list
}

// listen makes a process that has heard everything up to a moment, and hides those
// of other tests.
func (r Records) listen(t *testing.T, since, upTo time.Time) {
	t.Helper()
	must(t, r.Devices.Listening(t.Context(), device.Listener{Process: uuid.UUID{1}, Since: since, HeardAt: upTo}))
}

// sweep judges all that is due, and returns the changes of one source.
func (r Records) sweep(t *testing.T, now time.Time, source uuid.UUID, verdict device.Verdict) (changes []device.Change, due []device.Due) {
	t.Helper()
	for range 100 {
		changed, judged, err := r.Devices.Sweep(t.Context(), now, 100, func(d device.Due) device.Verdict {
			if d.SourceID == source {
				due = append(due, d)
				return verdict
			}
			return device.Verdict{State: d.State} // another test's
		})
		must(t, err)
		changes = append(changes, slices.DeleteFunc(changed, func(c device.Change) bool { return c.SourceID != source })...)
		if judged == 0 {
			return changes, due
		}
	}
	t.Fatal("there is no end of what is due")
	return nil, nil
}

func deviceUnknown(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	wantSame(t, r.status(t, s.ID), device.Status{SourceID: s.ID, State: device.Unknown})
	if len(r.history(t, s.ID, device.Stretch{})) != 0 {
		t.Error("it has a history")
	}
	loaded, err := r.Devices.Load(t.Context(), []uuid.UUID{s.ID, uuid.New()})
	must(t, err)
	if len(loaded) != 0 {
		t.Errorf("loaded %v", loaded)
	}
}

func deviceHeard(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	h := heardAt(s.ID, instantOf(5))
	h.FirstAt = instantOf(4)
	want := []device.Change{{SourceID: s.ID, State: device.Online, Since: instantOf(4), Was: device.Unknown}}
	wantSame(t, r.hear(t, h), want)
	status := device.Status{SourceID: s.ID, State: device.Online, Since: instantOf(4), LastSeenAt: instantOf(5), Pulse: h.Pulse}
	if got := r.status(t, s.ID); got != status {
		t.Errorf("got %+v, want %+v", got, status)
	}
	// Heard again it stays what it is.
	again := heardAt(s.ID, instantOf(6))
	if changes := r.hear(t, again); len(changes) != 0 {
		t.Errorf("changes %v", changes)
	}
	status.LastSeenAt, status.Pulse = instantOf(6), again.Pulse
	if got := r.status(t, s.ID); got != status {
		t.Errorf("got %+v, want %+v", got, status)
	}
	wantSame(t, r.history(t, s.ID, device.Stretch{}), want)
	loaded, err := r.Devices.Load(t.Context(), []uuid.UUID{uuid.New(), s.ID})
	must(t, err)
	if len(loaded) != 1 || loaded[0] != status {
		t.Errorf("loaded %+v", loaded)
	}
}

func deviceMonotone(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	h := heardAt(s.ID, instantOf(5))
	r.hear(t, h)
	before := r.status(t, s.ID)
	for _, at := range []int{4, 5, -100} {
		if changes := r.hear(t, heardAt(s.ID, instantOf(at))); len(changes) != 0 || r.status(t, s.ID) != before {
			t.Errorf("heard at %d: changes %v, status %+v", at, changes, r.status(t, s.ID))
		}
	}
	for i, err := range atOnce(6, func(i int) error {
		_, err := r.Devices.Hear(t.Context(), []device.Heard{heardAt(s.ID, instantOf(10+(i*5)%6))})
		return err
	}) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if got := r.status(t, s.ID); !got.LastSeenAt.Equal(instantOf(15)) || got.State != device.Online || len(r.history(t, s.ID, device.Stretch{})) != 1 {
		t.Errorf("after all: %+v", got)
	}
}

func deviceBatch(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	first, last := r.newSunSource(t, owner), r.newSunSource(t, owner)
	var heard []device.Heard
	for i := range 6000 {
		id := newSource() // nobody's
		switch i {
		case 0:
			id = first.ID
		case 5999:
			id = last.ID
		}
		heard = append(heard, heardAt(id, instantOf(1)))
	}
	if changes := r.hear(t, heard...); len(changes) != 2 {
		t.Errorf("%d changes, want 2", len(changes))
	}
	for _, s := range []sunsource.SunSource{first, last} {
		if got := r.status(t, s.ID); got.State != device.Online {
			t.Errorf("got %+v", got)
		}
	}
}

func deviceSwept(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	at := instantOf(2000)
	h := heardAt(s.ID, at)
	r.hear(t, h)
	check := h.CheckAt
	late := device.Verdict{State: device.Late, CheckAt: check.Add(time.Hour)}
	if changes, due := r.sweep(t, check.Add(time.Hour), s.ID, late); len(changes)+len(due) != 0 {
		t.Fatalf("nobody listens: %v", changes)
	}
	r.listen(t, instantOf(1990), check.Add(-time.Second))
	if _, due := r.sweep(t, check.Add(time.Minute), s.ID, late); len(due) != 0 {
		t.Fatal("judged before what was heard is stored")
	}
	r.listen(t, instantOf(1990), check.Add(time.Second))
	changes, due := r.sweep(t, check.Add(time.Minute), s.ID, late)
	wantSame(t, changes, []device.Change{{SourceID: s.ID, State: device.Late, Since: check.Add(time.Second), Was: device.Online}})
	if len(due) != 1 || due[0].Status.Pulse != h.Pulse || due[0].State != device.Online || !due[0].Listening.Equal(instantOf(1990)) || //nolint:staticcheck // says which of the two is meant
		!due[0].AsOf.Equal(check.Add(time.Second)) || due[0].Site != (device.Site{Latitude: *s.Latitude, Longitude: *s.Longitude, Known: true}) {
		t.Errorf("due is %+v", due)
	}
	if got := r.status(t, s.ID); got.State != device.Late || !got.Since.Equal(check.Add(time.Second)) || !got.LastSeenAt.Equal(at) {
		t.Errorf("got %+v", got)
	}
	// It is not due again before its time, and then without end.
	r.listen(t, instantOf(1990), check.Add(time.Hour))
	changes, due = r.sweep(t, check.Add(time.Hour), s.ID, device.Verdict{State: device.Late})
	if len(changes) != 0 || len(due) != 1 {
		t.Errorf("changes %v, due %v", changes, due)
	}
	r.listen(t, instantOf(1990), check.Add(99*time.Hour))
	if _, due = r.sweep(t, check.Add(99*time.Hour), s.ID, device.Verdict{State: device.Offline}); len(due) != 0 {
		t.Error("judged without end")
	}
	if got := len(r.history(t, s.ID, device.Stretch{})); got != 2 {
		t.Errorf("%d changes in the history", got)
	}
}

func deviceBack(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	h := heardAt(s.ID, instantOf(3000))
	r.hear(t, h)
	r.listen(t, instantOf(2990), h.CheckAt)
	r.sweep(t, h.CheckAt, s.ID, device.Verdict{State: device.Offline})
	// It was received before the sweep and is told after it.
	back := heardAt(s.ID, h.CheckAt.Add(-time.Second))
	want := device.Change{SourceID: s.ID, State: device.Online, Since: h.CheckAt.Add(time.Millisecond), Was: device.Offline}
	wantSame(t, r.hear(t, back), []device.Change{want})
	wantSame(t, r.history(t, s.ID, device.Stretch{Limit: 1}), []device.Change{want})
	if got := r.status(t, s.ID); got.State != device.Online || !got.Since.Equal(want.Since) {
		t.Errorf("got %+v", got)
	}
}

func deviceBacklog(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	h := heardAt(s.ID, instantOf(4000))
	r.hear(t, h)
	r.listen(t, instantOf(3990), h.CheckAt)
	r.sweep(t, h.CheckAt, s.ID, device.Verdict{State: device.Late})
	old := heardAt(s.ID, instantOf(4005))
	old.Online = false
	if changes := r.hear(t, old); len(changes) != 0 {
		t.Errorf("changes %v", changes)
	}
	if got := r.status(t, s.ID); got.State != device.Late || !got.LastSeenAt.Equal(instantOf(4005)) {
		t.Errorf("got %+v", got)
	}
	// One that was never heard begins online all the same: silence is judged later.
	other := r.newSunSource(t, s.OwnerID)
	old.SourceID = other.ID
	if changes := r.hear(t, old); len(changes) != 1 || r.status(t, other.ID).State != device.Online {
		t.Errorf("changes %v", changes)
	}
}

// lived gives a source n changes, a minute apart, the first being online.
func (r Records) lived(t *testing.T, source uuid.UUID, from time.Time, n int) []device.Change {
	t.Helper()
	var want []device.Change
	for i := range n {
		at := from.Add(time.Duration(i) * time.Minute)
		if i%2 == 0 {
			want = append(want, r.hear(t, device.Heard{SourceID: source, FirstAt: at, LastSeenAt: at, Online: true, CheckAt: at.Add(time.Minute), Pulse: pulseAt(at)})...)
			continue
		}
		r.listen(t, from, at)
		changes, _ := r.sweep(t, at, source, device.Verdict{State: device.Late})
		want = append(want, changes...)
	}
	if len(want) != n {
		t.Fatalf("%d changes, want %d", len(want), n)
	}
	slices.Reverse(want)
	return want
}

func deviceHistory(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	from := instantOf(6000)
	all := r.lived(t, s.ID, from, 6) // at minutes 0 to 5, the newest first
	minute := func(m float64) time.Time { return from.Add(time.Duration(m * float64(time.Minute))) }
	for name, c := range map[string]struct {
		stretch device.Stretch
		want    []device.Change
	}{
		"all":                    {device.Stretch{}, all},
		"three":                  {device.Stretch{Limit: 3}, all[:3]},
		"from one on":            {device.Stretch{From: minute(2)}, all[:4]},
		"from between two on":    {device.Stretch{From: minute(2.5)}, all[:4]},
		"before one":             {device.Stretch{To: minute(2)}, all[4:]},
		"in between":             {device.Stretch{From: minute(1.5), To: minute(3.5)}, all[2:5]},
		"before the first":       {device.Stretch{To: minute(0)}, nil},
		"from before the first":  {device.Stretch{From: minute(-5)}, all},
		"the last that still is": {device.Stretch{From: minute(99)}, all[:1]},
		"a page of those before": {device.Stretch{To: all[1].Since, Limit: 2}, all[2:4]},
	} {
		got := r.history(t, s.ID, c.stretch)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func devicePruned(t *testing.T, r Records) {
	owner := r.newUser(t).ID
	s, other := r.newSunSource(t, owner), r.newSunSource(t, owner)
	from := instantOf(10_000)
	all := r.lived(t, s.ID, from, 4)
	r.hear(t, heardAt(other.ID, from))
	now := all[1].Since.Add(device.MaxAge) // the last but one is just kept
	must(t, r.Devices.Prune(t.Context(), now))
	wantSame(t, r.history(t, s.ID, device.Stretch{}), all[:2])
	long := r.newSunSource(t, owner)
	many := r.lived(t, long.ID, from.Add(device.MaxAge), device.MaxChanges+5)
	must(t, r.Devices.Prune(t.Context(), from.Add(device.MaxAge)))
	if got := r.history(t, long.ID, device.Stretch{}); !slices.Equal(got, many[:device.MaxChanges]) {
		t.Errorf("%d changes are left", len(got))
	}
	if got := r.status(t, other.ID); got.State != device.Online {
		t.Errorf("the state went with the history: %+v", got)
	}
}

func deviceDeleted(t *testing.T, r Records) {
	s := r.newSunSource(t, r.newUser(t).ID)
	r.hear(t, heardAt(s.ID, instantOf(1)))
	must(t, r.SunSources.Delete(t.Context(), s.OwnerID, s.ID))
	if got := r.status(t, s.ID); got.State != device.Unknown || len(r.history(t, s.ID, device.Stretch{})) != 0 {
		t.Errorf("left is %+v", got)
	}
	if changes := r.hear(t, heardAt(s.ID, instantOf(2))); len(changes) != 0 {
		t.Errorf("it came back: %v", changes)
	}
}

func deviceCounts(t *testing.T, r Records) {
	before, err := r.Devices.Counts(t.Context())
	must(t, err)
	s := r.newSunSource(t, r.newUser(t).ID)
	r.newSunSource(t, r.newUser(t).ID)
	r.hear(t, heardAt(s.ID, instantOf(1)))
	want := maps.Clone(before)
	want[device.Online]++
	want[device.Unknown]++
	if got, err := r.Devices.Counts(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}
