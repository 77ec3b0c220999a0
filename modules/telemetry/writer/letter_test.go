package writer_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// A writer that was killed after it buried a reading, and before it committed, reads
// and buries it once more.
func TestAReadingThatIsBuriedTwiceIsOneLetter(t *testing.T) {
	source := uuid.New()
	var ids [2]uuid.UUID
	for i := range ids {
		r := newRig()
		r.archive.Refuse(func(telemetry.Reading) error { return errors.New("too odd") })
		r.append(t, entry(source, 1, 2))
		stop := run(t, r.writer.Run)
		eventually(t, "both are buried", func() bool {
			letters, err := r.letters.List(t.Context(), source)
			return err == nil && len(letters) == 2
		})
		if err := stop(); err != nil {
			t.Error(err)
		}
		letters, err := r.letters.List(t.Context(), source)
		if err != nil || letters[0].ID == letters[1].ID {
			t.Errorf("two readings are one letter: %v", err)
		}
		ids[i] = least(letters)
	}
	if ids[0] != ids[1] {
		t.Errorf("the same reading of the journal is letter %s and letter %s", ids[0], ids[1])
	}
}

// least is the smallest id, whatever the order in which letters are listed.
func least(letters []telemetry.DeadLetter) uuid.UUID {
	id := letters[0].ID
	for _, l := range letters {
		if l.ID.String() < id.String() {
			id = l.ID
		}
	}
	return id
}
