package metrics_test

import (
	"testing"

	"ampra/adapters/metrics"
	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/fake"
)

func TestACountedJournalAndItsCountedLogKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Journal(t, func(*testing.T, telemetry.Archive) contract.JournalRig {
		j := fake.NewJournal(3)
		return contract.JournalRig{
			Journal: metrics.New("test").Journal(j),
			OpenLog: func(*testing.T) (telemetry.Log, func()) {
				return metrics.New("test").Log(j.OpenLog()), func() {}
			},
			Garble: func(_ *testing.T, record []byte) { j.AppendRaw(1, record) },
		}
	})
}

func TestACountedArchiveKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.Archive(t, func(*testing.T) telemetry.Archive { return metrics.New("test").Archive(&fake.Archive{}) })
}

func TestCountedDeadLettersKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.DeadLetters(t, func(*testing.T) contract.DeadLettersRig {
		letters := &fake.DeadLetters{}
		return contract.DeadLettersRig{
			Letters: metrics.New("test").DeadLetters(letters), List: letters.List, PerSource: fake.LettersPerSource,
		}
	})
}
