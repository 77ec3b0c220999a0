package credentials_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"ampra/core/change"
	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// hold makes the records stop before each answer until the returned release.
func (r *rig) hold() (release func()) {
	holding := make(chan struct{})
	r.records.set(func() { r.records.holding, r.records.reading = holding, make(chan struct{}, 100) })
	return func() {
		r.records.set(func() { r.records.holding = nil })
		close(holding)
	}
}

// aside asks something on the side and returns where its answer comes.
func aside[T any](act func() (T, error)) (answer <-chan T, failed <-chan error) {
	a, f := make(chan T, 1), make(chan error, 1)
	go func() {
		value, err := act()
		a <- value
		f <- err
	}()
	return a, f
}

func TestWhoAsksForTheSameSourceAtTheSameTimeSharesOneRead(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	release := r.hold()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := r.signIn(t, r.secret); err != nil {
				t.Error(err)
			}
		})
	}
	<-r.records.reading
	release()
	all.Wait()
	if n := r.records.count(); n != 1 {
		t.Errorf("20 sign-ins took %d reads, expected 1", n)
	}
}

func TestQuestionsThatWaitForAReadGoOutTogether(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	release := r.hold()
	var all sync.WaitGroup
	ask := func(source uuid.UUID) {
		all.Go(func() {
			if _, err := r.registry.Access(t.Context(), source); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", source, err)
			}
		})
	}
	for range 2 { // as many reads are under way at the most
		ask(uuid.New())
		<-r.records.reading
	}
	many := make([]uuid.UUID, 500)
	for i := range many {
		many[i] = uuid.New()
	}
	many[7] = r.records.source.ID
	alive, failed := aside(func() ([]bool, error) { return r.registry.Alive(t.Context(), many) })
	release()
	all.Wait()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	for i, is := range <-alive {
		if is != (i == 7) {
			t.Errorf("source %d is alive: %t", i, is)
		}
	}
	if r.records.count() > 4 || slices.Max(r.records.asked) < 250 {
		t.Errorf("502 questions went out as %v", r.records.asked)
	}
}

func TestWhatDoesNotExistIsAskedForOnceUntilItIsMade(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	source := r.records.source
	r.records.set(func() { r.records.source = sunsource.SunSource{} })
	for range 5 {
		if _, err := r.gate.SignInMQTT(t.Context(), source.ClientID(), "", r.secret); !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("got %v", err)
		}
		if alive, err := r.registry.Alive(t.Context(), []uuid.UUID{source.ID}); err != nil || alive[0] {
			t.Fatalf("alive: %v, %v", alive, err)
		}
	}
	if n := r.records.count(); n != 1 {
		t.Errorf("10 questions for what is not there took %d reads, expected 1", n)
	}
	r.records.set(func() { r.records.source = source })
	r.feed.tell(source.ID)
	if _, err := r.signIn(t, r.secret); err != nil {
		t.Errorf("after it was made: %v", err)
	}
}

func TestNoClientIDNeedsNoRead(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	for _, id := range []string{"", "meter", "sunsource_", "sunsource_zzzzzzzz", "a\x00b", "\xff"} {
		if _, err := r.registry.AccessByClient(t.Context(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if n := r.records.count(); n != 0 {
		t.Errorf("what is no client id took %d reads", n)
	}
}

func TestAnIDThatBeginsLikeASourcesIsNotTheSource(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	other := r.records.source.ID
	other[15]++
	for range 2 { // read, and remembered
		if _, err := r.registry.Access(t.Context(), other); !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v", err)
		}
		if alive, err := r.registry.Alive(t.Context(), []uuid.UUID{other, r.records.source.ID}); err != nil || !slices.Equal(alive, []bool{false, true}) {
			t.Errorf("alive: %v, %v", alive, err)
		}
	}
}

func TestWhoAsksAfterAChangeDoesNotShareAReadFromBeforeIt(t *testing.T) {
	for name, tell := range map[string]func(*rig){
		"a change":     func(r *rig) { r.feed.tell(r.records.source.ID) },
		"missed ones":  func(r *rig) { r.feed.listeners[0](t.Context(), change.Change{Kind: change.Missed}) },
		"a lost trust": func(r *rig) { r.feed.cutOff = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sunsource.MQTT)
			old := r.secret
			release := r.hold()
			first, failed := aside(func() (credential.Access, error) { return r.registry.Access(t.Context(), r.records.source.ID) })
			<-r.records.reading // the old key has been read and is on its way
			next := r.give(t, sunsource.MQTT)
			tell(r)
			r.records.set(func() { r.records.holding = nil })
			if _, err := r.signIn(t, old); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("the old key: %v, expected Unauthenticated", err)
			}
			if _, err := r.signIn(t, next); err != nil {
				t.Errorf("the new key: %v", err)
			}
			release()
			<-first
			if err := <-failed; err != nil {
				t.Errorf("who asked before: %v", err)
			}
			if _, err := r.signIn(t, old); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("the old key, once the old answer has come: %v, expected Unauthenticated", err)
			}
		})
	}
}

func TestAReadThatFailsFailsAllWhoWaitAndIsNotRemembered(t *testing.T) {
	r := newRig(t, sunsource.MQTT)
	r.records.set(func() { r.records.err = errors.New("away") })
	if _, err := r.registry.Alive(t.Context(), []uuid.UUID{uuid.New(), r.records.source.ID}); err == nil {
		t.Error("it is told who lives while the records are away")
	}
	r.records.set(func() { r.records.err = nil })
	if _, err := r.signIn(t, r.secret); err != nil {
		t.Errorf("when they are back: %v", err)
	}
}
