package contract_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/fake"
)

// direct writes to an archive at once, and has what is wrong with it in wrong.
type direct struct {
	archive telemetry.Archive
	wrong   string
}

func (d direct) Append(ctx context.Context, entry telemetry.Entry, done telemetry.Done) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var batch []telemetry.Placed
	for i, r := range entry.Readings {
		switch d.wrong {
		case "loses":
			if i == 1 {
				continue
			}
		case "alters":
			r.Values.Set(telemetry.GridVoltageVolts, 230)
		case "invents":
			batch = append(batch, telemetry.Placed{Reading: shifted(r), Position: telemetry.Position{Partition: telemetry.Direct}})
		}
		batch = append(batch, telemetry.Placed{Reading: r, Position: telemetry.Position{Partition: telemetry.Direct}})
	}
	errs := d.archive.Write(ctx, batch)
	var first error
	for _, err := range errs {
		if first == nil {
			first = err
		}
	}
	switch d.wrong {
	case "acknowledges always":
		first, errs = nil, nil
	case "refuses without a reason":
		first, errs = errors.New("no"), nil
	case "stores what it refuses":
		first, errs = fault.New(fault.Invalid, "no"), nil
	case "answers too few":
		errs = make([]error, 1)
	case "answers another error":
		errs = make([]error, len(entry.Readings))
		errs[0], first = errors.New("one"), errors.New("other")
	case "answers twice":
		done(first, errs)
	}
	done(first, errs)
	if d.wrong == "answers and fails" {
		return errors.New("failed")
	}
	return nil
}

func shifted(r telemetry.Reading) telemetry.Reading {
	r.Timestamp = r.Timestamp.Add(time.Hour)
	return r
}

func TestADirectJournalKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Journal(t, func(_ *testing.T, archive telemetry.Archive) contract.JournalRig {
		return contract.JournalRig{Journal: direct{archive: archive}}
	})
}

// twice finds every reading two times.
type twice struct{ *fake.Archive }

func (a twice) History(ctx context.Context, query telemetry.Span) ([]telemetry.Reading, error) {
	found, err := a.Archive.History(ctx, query)
	return append(found, found...), err
}

func TestTheLedgerFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for wrong, complaint := range map[string]string{
		"":                         "",
		"loses":                    "acknowledged and is lost",
		"alters":                   "gridVoltageVolts",
		"invents":                  "never sent",
		"acknowledges always":      "acknowledged and is lost",
		"refuses without a reason": "is found and was refused",
		"stores what it refuses":   "is found and was refused",
		"answers too few":          "1 answers for 3 readings",
		"answers another error":    "not the first of its errors",
		"answers twice":            "called once more",
		"answers and fails":        "Append returned",
		"finds twice":              "is found twice",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			store := &fake.Archive{}
			if wrong == "acknowledges always" {
				store.FailNext(1, fault.New(fault.Unavailable, "away"))
			}
			ledger := contract.NewLedger()
			source := uuid.New()
			entry := telemetry.Entry{SourceID: source}
			for i := range 3 {
				r := telemetry.Reading{SourceID: source, Timestamp: time.Unix(int64(1e9+i), 0), ReceivedAt: time.Unix(2e9, 0)}
				r.Values.Set(telemetry.SolarPowerWatts, 1)
				entry.Readings = append(entry.Readings, r)
			}
			_ = ledger.Send(t.Context(), direct{archive: store, wrong: wrong}, entry, nil)
			var archive telemetry.Archive = store
			if wrong == "finds twice" {
				archive = twice{store}
			}
			text := strings.Join(ledger.Problems(t.Context(), archive, nil), "\n")
			if (complaint == "") != (text == "") || !strings.Contains(text, complaint) {
				t.Errorf("the ledger says %q, want %q", text, complaint)
			}
		})
	}
}
