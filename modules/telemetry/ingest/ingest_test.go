package ingest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/modules/telemetry/ingest"
	"ampra/test/fake"
)

// present is the time at which everything comes in.
func present() time.Time { return time.Date(2026, 6, 14, 12, 0, 0, 0, time.UTC) }

type rig struct {
	journal *fake.Journal
	letters fake.DeadLetters
	service *ingest.Service
	source  uuid.UUID
}

func newRig() *rig {
	r := &rig{journal: fake.NewJournal(1), source: uuid.New()}
	r.service = r.serviceWith(fake.NewClock(present()), ingest.LimitsConfig{}, nil)
	return r
}

// serviceWith is ingest on the rig's ports with limits.
func (r *rig) serviceWith(clock *fake.Clock, cfg ingest.LimitsConfig, owners ingest.Owners) *ingest.Service {
	return ingest.New(ingest.Deps{
		Sites: nil, Notes: nil,
		Journal: r.journal, DeadLetters: &r.letters, Clock: clock, Random: rand.Reader,
		Limits: ingest.NewLimits(cfg, clock), Queue: ingest.NewQueue(ingest.QueueConfig{}, clock), Owners: owners, Gather: nil,
	})
}

func (r *rig) accept(t *testing.T, payload string) (ingest.Receipt, error) {
	t.Helper()
	return r.service.Accept(t.Context(), ingest.Delivery{SourceID: r.source, Payload: []byte(payload), Origin: "webhook", Topic: "/x"})
}

// journaled are the readings in the journal.
func (r *rig) journaled(t *testing.T) []telemetry.Placed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	batch, err := r.journal.OpenLog().Fetch(ctx, 100, 0)
	if err != nil {
		return nil
	}
	return batch.Readings
}

func (r *rig) buried(t *testing.T) []telemetry.DeadLetter {
	t.Helper()
	letters, err := r.letters.List(t.Context(), r.source)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func TestAReadingWithoutATimeHasTheSignedOne(t *testing.T) {
	r := newRig()
	signed := present().Add(-time.Minute)
	_, err := r.service.Accept(t.Context(), ingest.Delivery{SourceID: r.source, Payload: []byte(`{"acPowerWatts": 1}`), SignedAt: signed})
	if err != nil {
		t.Fatal(err)
	}
	got := r.journaled(t)
	if len(got) != 1 || !got[0].Timestamp.Equal(signed) || !got[0].ReceivedAt.Equal(present()) {
		t.Errorf("journaled %+v", got)
	}
}

func TestWhatIsRejectedIsNamedAndBuriedWhileTheRestGoesOn(t *testing.T) {
	r := newRig()
	receipt, err := r.accept(t, `[{"ts": 1781438400, "acPowerWatts": 1}, {"ts": 0, "acPowerWatts": 2}, {"ts": 1781438460, "loadPowerWatts": -1, "acPowerWatts": 3}]`)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Accepted != 2 || len(receipt.Rejected) != 1 || receipt.Rejected[0].Index != 1 {
		t.Errorf("receipt %+v, expected 2 accepted and index 1 rejected", receipt)
	}
	if len(receipt.Warnings) != 1 || receipt.Warnings[0].Field != "loadPowerWatts" || receipt.Warnings[0].Index != 2 {
		t.Errorf("warnings %+v", receipt.Warnings)
	}
	letters := r.buried(t)
	if len(letters) != 1 || letters[0].Origin != "webhook" || letters[0].Topic != "/x" || !strings.Contains(letters[0].Reason, "reading 1") {
		t.Errorf("dead letters %+v", letters)
	}
}

func TestAPayloadOfWhichNothingCanBeTakenIsInvalidAndBuried(t *testing.T) {
	for name, payload := range map[string]string{
		"malformed":   `{"acPowerWatts": 1`,
		"no object":   `7`,
		"empty":       ``,
		"empty list":  `[]`,
		"all refused": `[{"ts": 1781438400}]`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			if _, err := r.accept(t, payload); !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v, expected Invalid", err)
			}
			if letters := r.buried(t); len(letters) != 1 || string(letters[0].Raw) != payload {
				t.Errorf("dead letters %+v", letters)
			}
			if got := r.journaled(t); len(got) != 0 {
				t.Errorf("journaled %+v", got)
			}
		})
	}
}

func TestADeadLetterIsABoundedCopy(t *testing.T) {
	r := newRig()
	payload := []byte(`"` + strings.Repeat("x", telemetry.MaxRaw) + `"`)
	_, err := r.service.Accept(t.Context(), ingest.Delivery{SourceID: r.source, Payload: payload})
	if !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	payload[0] = '!' // the caller's buffer is its own again
	letter := r.buried(t)[0]
	if len(letter.Raw) != telemetry.MaxRaw || !letter.Truncated || letter.Raw[0] != '"' {
		t.Errorf("raw has %d bytes, truncated %v, begins with %q", len(letter.Raw), letter.Truncated, letter.Raw[0])
	}
}

func TestWhatCanNotBeBuriedIsNotAnswered(t *testing.T) {
	r := newRig()
	r.letters.FailNext(1, fault.New(fault.Unavailable, "away"))
	if _, err := r.accept(t, `{`); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, expected Unavailable: the payload is neither stored nor buried", err)
	}
}

func TestAJournalThatFailsMeansSendAgain(t *testing.T) {
	for name, err := range map[string]error{
		"passing": fault.Retry(fault.Unavailable, time.Second, "away"),
		"unknown": errors.New("odd"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			r.journal.FailNext(1, err)
			if _, got := r.accept(t, `{"acPowerWatts": 1}`); !fault.Is(got, fault.Unavailable) {
				t.Errorf("got %v, expected Unavailable", got)
			}
		})
	}
	t.Run("away at once", func(t *testing.T) {
		r := newRig()
		r.journal.GoAway(fault.New(fault.Unavailable, "away"))
		if _, got := r.accept(t, `{"acPowerWatts": 1}`); !fault.Is(got, fault.Unavailable) {
			t.Errorf("got %v, expected Unavailable", got)
		}
	})
}

func TestAReadingThatTheJournalRefusesIsRejectedUnderItsOwnIndex(t *testing.T) {
	r := newRig()
	r.journal.Refuse(func(reading telemetry.Reading) error {
		if watts, _ := reading.Values.Get(telemetry.ACPowerWatts); watts == 3 {
			return errors.New("too odd")
		}
		return nil
	})
	receipt, err := r.accept(t, `[{"ts": 1781438401, "acPowerWatts": 1}, {"ts": 0, "acPowerWatts": 2}, {"ts": 1781438403, "acPowerWatts": 3}]`)
	if err != nil {
		t.Fatal(err)
	}
	var indices []string
	for _, rejected := range receipt.Rejected {
		indices = append(indices, fmt.Sprint(rejected.Index))
	}
	if receipt.Accepted != 1 || strings.Join(indices, ",") != "1,2" {
		t.Errorf("accepted %d, rejected %v; expected 1 and 1,2", receipt.Accepted, indices)
	}
}

func TestWhoWaitsTooLongIsToldToSendAgain(t *testing.T) {
	r := newRig()
	release := r.journal.Block()
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := r.service.Accept(ctx, ingest.Delivery{SourceID: r.source, Payload: []byte(`{"acPowerWatts": 1}`)})
	if err == nil || !fault.Is(err, fault.Unavailable) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
