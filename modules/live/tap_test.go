package live_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"ampra/core/clock"
	"ampra/core/telemetry"
	"ampra/modules/live"
	"ampra/test/contract"
	"ampra/test/fake"
)

func TestATappedJournalKeepsTheContractOfAJournal(t *testing.T) {
	t.Parallel()
	contract.Journal(t, func(t *testing.T, _ telemetry.Archive) contract.JournalRig {
		j := fake.NewJournal(3)
		hub, err := live.New(live.Config{}, live.Deps{
			Sources: &records{}, Owners: &records{}, Keys: &sessions{}, Feed: &feed{}, Bus: nil, Tail: nil, Encode: encode,
			Clock: clock.Func(time.Now), Random: rand.Reader, Failed: func(err error) { t.Error(err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() { ended <- hub.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return contract.JournalRig{
			Journal: live.NewTap(j, hub),
			OpenLog: func(*testing.T) (telemetry.Log, func()) { return j.OpenLog(), func() {} },
			Garble:  func(_ *testing.T, record []byte) { j.AppendRaw(1, record) },
		}
	})
}
