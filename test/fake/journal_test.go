package fake_test

import (
	"testing"

	"ampra/core/telemetry"
	"ampra/test/contract"
	"ampra/test/fake"
)

func TestTheJournalAndItsLogKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.Journal(t, func(*testing.T, telemetry.Archive) contract.JournalRig {
		j := fake.NewJournal(3)
		return contract.JournalRig{
			Journal: j,
			OpenLog: func(*testing.T) (telemetry.Log, func()) { return j.OpenLog(), func() {} },
			Garble:  func(_ *testing.T, record []byte) { j.AppendRaw(1, record) },
		}
	})
}

func TestTheDeadLettersKeepTheirContract(t *testing.T) {
	t.Parallel()
	contract.DeadLetters(t, func(*testing.T) contract.DeadLettersRig {
		letters := &fake.DeadLetters{}
		return contract.DeadLettersRig{Letters: letters, List: letters.List, PerSource: fake.LettersPerSource}
	})
}

func TestTheLettersStoreKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.LetterStore(t, func(*testing.T) telemetry.LetterStore { return &fake.LetterStore{} })
}

func TestTheLettersTopicKeepsItsContract(t *testing.T) {
	t.Parallel()
	contract.LetterLog(t, func(*testing.T) contract.LetterLogRig {
		topic := &fake.LetterTopic{}
		return contract.LetterLogRig{
			Letters: topic,
			Open:    func(*testing.T) (telemetry.LetterLog, func()) { return topic.OpenLog(), func() {} },
		}
	})
}
