package kafka_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestATraceTravelsWithItsReadingAndTheLagFallsToNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nil)
	journal := c.Journal()
	background(t, journal.Run)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for i, each := range []string{"", trace, ""} {
		e := entry(uuid.New(), i, 1)
		e.Trace = each
		if err, _ := answerOf(t, journal, e); err != nil {
			t.Fatal(err)
		}
	}
	log, _ := openLog(t, c)
	if got := log.Stats(); got.Lag != 0 || got.Partitions != 0 {
		t.Errorf("before it has partitions the stats are %+v", got)
	}
	var traces []string
	for count := 0; count < 3; {
		batch, err := log.Fetch(t.Context(), 100, 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		count += len(batch.Readings)
		traces = append(traces, batch.Traces...)
		if got := log.Stats(); got.Lag < int64(len(batch.Readings)) || got.Worst < 1 || got.Worst > got.Lag {
			t.Errorf("with %d readings in hand the stats are %+v", len(batch.Readings), got)
		}
		if err := batch.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(traces, []string{trace}) {
		t.Errorf("the traces are %q", traces)
	}
	eventually(t, 10*time.Second, "all partitions are seen and none lags", func() bool {
		got := log.Stats()
		return got.Lag == 0 && got.Worst == 0 && got.Partitions == 3
	})
}
