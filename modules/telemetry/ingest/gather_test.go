package ingest_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"ampra/core/clock"
	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// grove is ingest that gathers, on the time of its bubble.
type grove struct {
	t       *testing.T
	journal *fake.Journal
	letters fake.DeadLetters
	gather  *ingest.Gatherer
	service *ingest.Service
	source  uuid.UUID
}

func grow(t *testing.T, cfg ingest.GatherConfig) *grove {
	t.Helper()
	now := clock.Func(time.Now)
	g := &grove{t: t, journal: fake.NewJournal(1), source: uuid.New(), gather: ingest.NewGatherer(cfg, now)}
	g.service = ingest.New(ingest.Deps{
		Sites: nil, Notes: nil,
		Journal: g.journal, DeadLetters: &g.letters, Clock: now, Random: rand.Reader,
		Limits: nil, Queue: nil, Owners: nil, Gather: g.gather,
	})
	return g
}

// all is what the journal holds.
func (g *grove) all() []telemetry.Placed {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Millisecond)
	defer cancel()
	batch, err := g.journal.OpenLog().Fetch(ctx, 1000, 0)
	if err != nil {
		return nil
	}
	return batch.Readings
}

func (g *grove) buried() int {
	g.t.Helper()
	letters, err := g.letters.List(g.t.Context(), g.source)
	if err != nil {
		g.t.Fatal(err)
	}
	return len(letters)
}

func contextWithStop(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	return ctx, stop
}

// publish sends a value and returns its answer.
func (g *grove) publish(topic, payload string, unanswered bool) (ingest.Receipt, error) {
	g.t.Helper()
	var receipt ingest.Receipt
	answered := make(chan error, 1)
	err := g.service.Submit(g.t.Context(), ingest.Delivery{
		SourceID: g.source, Payload: []byte(payload), Origin: "mqtt", Topic: "t/" + topic, Name: topic, Unanswered: unanswered,
	}, func(r ingest.Receipt, err error) {
		receipt = r
		answered <- err
	})
	if err == nil {
		err = <-answered
	}
	return receipt, err
}

// found are the readings as queries see them: merged by their time.
func (g *grove) found() []telemetry.Reading {
	g.t.Helper()
	var all []telemetry.Reading
	for _, p := range g.all() {
		at := -1
		for i := range all {
			if all[i].Timestamp.Equal(p.Timestamp) {
				at = i
			}
		}
		if at < 0 {
			all = append(all, p.Reading)
			continue
		}
		all[at].Merge(p.Reading)
	}
	return all
}

func value(r telemetry.Reading, f telemetry.Field) any {
	if v, ok := r.Values.Get(f); ok {
		return v
	}
	return nil
}

func TestValuesOnTopicsOfTheirOwnAreOneReading(t *testing.T) {
	for _, unanswered := range []bool{false, true} {
		t.Run(fmt.Sprintf("without an answer %t", unanswered), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := grow(t, ingest.GatherConfig{})
				var background sync.WaitGroup
				ctx, stop := contextWithStop(t)
				background.Go(func() { _ = g.service.Gathering(ctx) })
				began := time.Now()
				for _, v := range [][2]string{{"roof/name", "East"}, {"roof/pv_power", "812.5"}, {"house/load_power", "300"}, {"gridPowerWatts", "-512.5"}, {"roof/serial", ""}} {
					if _, err := g.publish(v[0], v[1], unanswered); err != nil {
						t.Fatalf("%s: %v", v[0], err)
					}
					<-time.After(200 * time.Millisecond)
				}
				if unanswered && len(g.found()) != 0 {
					t.Error("values without an answer were stored one by one")
				}
				<-time.After(2 * time.Second)
				found := g.found()
				if len(found) != 1 || !found[0].Timestamp.Equal(telemetry.Truncate(began)) ||
					value(found[0], telemetry.SolarPowerWatts) != 812.5 || value(found[0], telemetry.LoadPowerWatts) != 300.0 || value(found[0], telemetry.GridPowerWatts) != -512.5 {
					t.Errorf("found %+v", found)
				}
				if n := g.buried(); n != 0 {
					t.Errorf("%d dead letters", n)
				}
				stop()
				background.Wait()
			})
		})
	}
}

func TestAReadingEndsWithItsWindowOrWhenATopicComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{})
		publish := func(topic, payload string) {
			t.Helper()
			if _, err := g.publish(topic, payload, false); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		publish("pv_power", "1")
		publish("load_power", "2")
		publish("pv_power", "3") // again
		<-time.After(10 * time.Second)
		publish("load_power", "4") // late
		found := g.found()
		if len(found) != 3 {
			t.Fatalf("found %d readings", len(found))
		}
		for i, want := range [][2]any{{1.0, 2.0}, {3.0, nil}, {nil, 4.0}} {
			if got := [2]any{value(found[i], telemetry.SolarPowerWatts), value(found[i], telemetry.LoadPowerWatts)}; got != want {
				t.Errorf("reading %d has %v, want %v", i, got, want)
			}
		}
	})
}

func TestARetainedReplayIsTheSampleThatItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{})
		ctx, stop := contextWithStop(t)
		var background sync.WaitGroup
		background.Go(func() { _ = g.service.Gathering(ctx) })
		<-time.After(24 * time.Hour) // earlier than here readings may not be
		taken := time.Now().Add(-3 * time.Second).Truncate(time.Second)
		all := [][2]string{
			{"solar/116/0/power", "612.4"}, {"solar/116/0/yieldtotal", "912.473"}, {"solar/116/status/last_update", fmt.Sprint(taken.Unix())},
		}
		for range 2 {
			for _, v := range all {
				if _, err := g.publish(v[0], v[1], true); err != nil {
					t.Fatal(err)
				}
			}
			<-time.After(time.Hour)
		}
		found := g.found()
		if len(found) != 1 || !found[0].Timestamp.Equal(taken) || value(found[0], telemetry.ACPowerWatts) != 612.4 {
			t.Errorf("found %+v", found)
		}
		stop()
		background.Wait()
	})
}

func TestATimeThatIsToldLastParts(t *testing.T) {
	for name, c := range map[string]struct {
		ago  time.Duration
		want int
	}{
		"no reading of now":     {2 * time.Second, 1},
		"one of hours ago from": {3 * time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := grow(t, ingest.GatherConfig{})
				<-time.After(24 * time.Hour) // earlier than here readings may not be
				told := time.Now().Add(-c.ago).Truncate(time.Second)
				for _, v := range [][2]string{{"roof/ch0/P_AC", "303.9"}, {"roof/ch0/U_AC", "232.1"}, {"roof/last_success", fmt.Sprint(told.Unix())}, {"total/P_AC", "303.9"}} {
					if _, err := g.publish(v[0], v[1], false); err != nil {
						t.Fatal(err)
					}
				}
				found := g.found()
				if len(found) != c.want {
					t.Fatalf("found %d readings, want %d: %+v", len(found), c.want, found)
				}
				last := found[len(found)-1]
				if value(last, telemetry.GridVoltageVolts) != 232.1 || last.Timestamp.Equal(told) != (c.want == 2) {
					t.Errorf("the last is %+v", last)
				}
			})
		})
	}
}

func TestWhatIsKnownToBeNoReadingIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{})
		r, err := g.publish("homeassistant/sensor/x/config", `{"name":"PV power","unique_id":"x","state_topic":"s/1","device_class":"power"}`, false)
		if err != nil || !r.Harmless || r.Accepted != 0 || len(r.Rejected) != 1 || g.buried() != 0 || len(g.all()) != 0 {
			t.Errorf("got %+v, %v and %d dead letters", r, err, g.buried())
		}
	})
}

func TestAValueThatIsNoneOfItsNameIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{})
		_, err := g.publish("inverter/batteryStateOfChargePercent", "150", false)
		if !fault.Is(err, fault.Invalid) || g.buried() != 1 {
			t.Errorf("got %v and %d dead letters", err, g.buried())
		}
		if r, err := g.publish("inverter/batteryStateOfChargePercent", "50", false); err != nil || r.Accepted != 1 {
			t.Errorf("afterwards: %+v, %v", r, err)
		}
	})
}

func TestAnAnswerComesOnlyWhenTheValueIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{})
		g.journal.GoAway(fault.New(fault.Unavailable, "away"))
		if _, err := g.publish("pv_power", "5", false); !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v", err)
		}
		g.journal.GoAway(nil)
		if _, err := g.publish("pv_power", "5", false); err != nil {
			t.Error(err)
		}
		if found := g.found(); len(found) != 1 {
			t.Errorf("found %+v", found)
		}
	})
}

func TestWhatIsGatheredIsStoredWhenTheProcessStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{})
		ctx, stop := contextWithStop(t)
		done := make(chan error, 1)
		go func() { done <- g.service.Gathering(ctx) }()
		if _, err := g.publish("pv_power", "5", true); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if found := g.found(); len(found) != 1 || g.gather.Dropped() != 0 {
			t.Errorf("found %+v, dropped %d", found, g.gather.Dropped())
		}
	})
}

func TestWithoutRoomForMoreSourcesValuesAreStoredOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{Sources: 1})
		if _, err := g.publish("pv_power", "1", true); err != nil {
			t.Fatal(err)
		}
		g.source = uuid.New()
		if _, err := g.publish("pv_power", "2", true); err != nil {
			t.Fatal(err)
		}
		if found := g.found(); len(found) != 1 || value(found[0], telemetry.SolarPowerWatts) != 2.0 || g.gather.Holds() != 1 {
			t.Errorf("found %+v", found)
		}
	})
}

func TestWhatTheJournalCanNotTakeForLongIsCountedAsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grow(t, ingest.GatherConfig{})
		ctx, stop := contextWithStop(t)
		var background sync.WaitGroup
		background.Go(func() { _ = g.service.Gathering(ctx) })
		g.journal.GoAway(fault.New(fault.Unavailable, "away"))
		if _, err := g.publish("pv_power", "1", true); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		if g.gather.Dropped() != 1 {
			t.Errorf("dropped %d", g.gather.Dropped())
		}
		stop()
		background.Wait()
	})
}
