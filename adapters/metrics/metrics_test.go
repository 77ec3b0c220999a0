package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	dto "github.com/prometheus/client_model/go"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// values are all counts and gauges of the house, and how often each histogram was
// observed, as name{label=value,...}.
func values(t testing.TB, m *Metrics) map[string]float64 {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			labels := make([]string, 0, len(one.GetLabel()))
			for _, l := range one.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := f.GetName()
			if len(labels) > 0 {
				name = fmt.Sprintf("%s{%s}", name, strings.Join(labels, ","))
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				found[name] = one.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				found[name] = one.GetGauge().GetValue()
			default:
				found[name] = float64(one.GetHistogram().GetSampleCount())
			}
		}
	}
	return found
}

// changed is what an act changes.
func changed(t *testing.T, m *Metrics, act func()) map[string]float64 {
	t.Helper()
	before := values(t, m)
	act()
	after := values(t, m)
	diff := map[string]float64{}
	for name, value := range after {
		if d := value - before[name]; d != 0 && strings.HasPrefix(name, "ampra_") {
			diff[name] = d
		}
	}
	return diff
}

func expect(t *testing.T, got, want map[string]float64) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("changed %v,\nwant    %v", got, want)
	}
}

var errAway = fault.New(fault.Unavailable, "It is away.")

func TestADeliveryIsCountedByOriginAndFate(t *testing.T) {
	t.Parallel()
	m := New("test")
	expect(t, changed(t, m, func() {
		m.Intake("mqtt").Taken(100)
		m.Intake("webhook").Taken(7)
	}), map[string]float64{
		"ampra_ingest_payload_bytes_total{origin=mqtt}": 100, "ampra_ingest_payload_bytes_total{origin=webhook}": 7,
		"ampra_ingest_open_deliveries": 2,
	})
	expect(t, changed(t, m, func() {
		m.Intake("mqtt").Settled(time.Second, Fate{Accepted: 3, Rejected: 1, Warnings: 2, DroppedExtra: 5}, nil)
		m.Intake("webhook").Settled(time.Second, Fate{}, fmt.Errorf("appending: %w", errAway))
	}), map[string]float64{
		"ampra_ingest_deliveries_total{origin=mqtt,result=ok}": 1, "ampra_ingest_deliveries_total{origin=webhook,result=passing}": 1,
		"ampra_ingest_readings_total{origin=mqtt,result=accepted}": 3, "ampra_ingest_readings_total{origin=mqtt,result=rejected}": 1,
		"ampra_ingest_fields_left_out_total{reason=invalid}": 2, "ampra_ingest_fields_left_out_total{reason=too_many}": 5,
		"ampra_ingest_seconds{origin=mqtt}": 1, "ampra_ingest_seconds{origin=webhook}": 1, "ampra_ingest_open_deliveries": -2,
	})
	if m.Intake("a name from outside") != m.intake.other {
		t.Error("an unknown origin makes a label")
	}
}

func TestCountingADeliveryAllocatesNothing(t *testing.T) {
	m := New("test")
	for name, act := range map[string]func(){
		"a delivery": func() {
			i := m.Intake("mqtt")
			i.Taken(200)
			i.Settled(time.Millisecond, Fate{Accepted: 1, Rejected: 1, Warnings: 1}, nil)
		},
		"a sign-in":          func() { m.SignedInMQTT(time.Millisecond, nil) },
		"a request":          func() { m.Request("POST", webhookRoute, 202, time.Millisecond) },
		"a batch of Kafka's": func() { m.Produced("telemetry", 100, 1000, time.Millisecond, nil) },
	} {
		if n := testing.AllocsPerRun(100, act); n != 0 {
			t.Errorf("counting %s allocates %v times", name, n)
		}
	}
}

func BenchmarkADelivery(b *testing.B) {
	m := New("test")
	b.ReportAllocs()
	for b.Loop() {
		i := m.Intake("mqtt")
		i.Taken(200)
		i.Settled(time.Millisecond, Fate{Accepted: 1}, nil)
	}
}

func TestRequestsAreCountedByRouteAndThoseOfWebhooksAndSignInsByResult(t *testing.T) {
	t.Parallel()
	m := New("test")
	for status, result := range map[int]string{202: "accepted", 400: "unreadable", 401: "unauthenticated", 413: "too_large", 415: "unsupported", 429: "limited", 503: "unavailable", 500: "failed", 504: "failed"} {
		expect(t, changed(t, m, func() { m.Request("POST", webhookRoute, status, time.Second) }), map[string]float64{
			"ampra_webhook_requests_total{result=" + result + "}":                                           1,
			fmt.Sprintf("ampra_http_request_seconds{method=POST,route=%s,status=%d}", webhookRoute, status): 1,
		})
	}
	for status, result := range map[int]string{200: "ok", 401: "refused", 400: "refused", 429: "passing", 503: "passing"} {
		expect(t, changed(t, m, func() { m.Request("POST", loginRoute, status, time.Second) }), map[string]float64{
			"ampra_signins_total{result=" + result + ",transport=api}": 1, "ampra_signin_seconds{transport=api}": 1,
			fmt.Sprintf("ampra_http_request_seconds{method=POST,route=%s,status=%d}", loginRoute, status): 1,
		})
	}
}

func TestSignInsOfDevicesAreCountedByResult(t *testing.T) {
	t.Parallel()
	m := New("test")
	expect(t, changed(t, m, func() {
		m.SignedInMQTT(time.Second, nil)
		m.SignedInMQTT(time.Second, fault.New(fault.Unauthenticated, "No."))
		m.SignedInWebhook(time.Second, errAway)
	}), map[string]float64{
		"ampra_signins_total{result=ok,transport=mqtt}": 1, "ampra_signins_total{result=refused,transport=mqtt}": 1,
		"ampra_signins_total{result=passing,transport=webhook}": 1,
		"ampra_signin_seconds{transport=mqtt}":                  2, "ampra_signin_seconds{transport=webhook}": 1,
	})
}

// script is a journal, a log, an archive and dead letters that answer what they
// are told to.
type script struct {
	errs   []error
	err    error
	commit error
}

func (s *script) Append(_ context.Context, _ telemetry.Entry, done telemetry.Done) error {
	if s.errs == nil && s.err != nil {
		return s.err
	}
	done(s.err, s.errs)
	return nil
}

func (s *script) Fetch(context.Context, int, time.Duration) (telemetry.Batch, error) {
	return telemetry.Batch{Readings: make([]telemetry.Placed, 2), Commit: func(context.Context) error { return s.commit }}, s.err
}
func (s *script) Write(context.Context, []telemetry.Placed) []error { return s.errs }
func (s *script) Latest(context.Context, uuid.UUID) (telemetry.Reading, error) {
	return telemetry.Reading{}, s.err
}

func (s *script) Newest(context.Context, []uuid.UUID, time.Time) ([]telemetry.Reading, error) {
	return nil, s.err
}

func (s *script) History(context.Context, telemetry.Span) ([]telemetry.Reading, error) {
	return nil, s.err
}
func (s *script) Erase(context.Context, uuid.UUID) error             { return s.err }
func (s *script) Put(context.Context, ...telemetry.DeadLetter) error { return s.err }

func TestAJournalIsCountedReadingByReading(t *testing.T) {
	t.Parallel()
	m := New("test")
	entry := telemetry.Entry{Readings: make([]telemetry.Reading, 3)}
	refused := fault.New(fault.TooLarge, "Too large.")
	for name, c := range map[string]struct {
		s    script
		want map[string]float64
	}{
		"all durable":       {script{}, map[string]float64{"ok": 3}},
		"some refused":      {script{err: refused, errs: []error{nil, refused, nil}}, map[string]float64{"ok": 2, "refused": 1}},
		"some still to try": {script{err: errAway, errs: []error{errAway, refused, nil}}, map[string]float64{"ok": 1, "refused": 1, "passing": 1}},
		"not taken at all":  {script{err: errAway}, map[string]float64{"passing": 3}},
	} {
		want := map[string]float64{"ampra_journal_entry_readings": 1}
		for result, n := range c.want {
			want["ampra_journal_readings_total{result="+result+"}"] = n
		}
		if c.s.err == nil || c.s.errs != nil {
			want["ampra_journal_append_seconds"] = 1
		}
		got := changed(t, m, func() { _ = m.Journal(&c.s).Append(t.Context(), entry, func(error, []error) {}) })
		if !maps.Equal(got, want) {
			t.Errorf("%s: changed %v, want %v", name, got, want)
		}
	}
}

func TestAnArchiveIsCountedAndWhatIsNotThereIsNoFailure(t *testing.T) {
	t.Parallel()
	m := New("test")
	readings := make([]telemetry.Placed, 2)
	expect(t, changed(t, m, func() { m.Archive(&script{errs: []error{errAway, nil}}).Write(t.Context(), readings) }), map[string]float64{
		"ampra_archive_readings_total{result=ok}": 1, "ampra_archive_readings_total{result=passing}": 1,
		"ampra_archive_batch_readings": 1, "ampra_archive_write_seconds": 1, "ampra_received_to_queryable_seconds": 1,
	})
	none := m.Archive(&script{err: fault.New(fault.NotFound, "None.")})
	away := m.Archive(&script{err: errAway})
	expect(t, changed(t, m, func() {
		_, _ = none.Latest(t.Context(), uuid.Nil)
		_, _ = away.Latest(t.Context(), uuid.Nil)
		_, _ = away.History(t.Context(), telemetry.Span{})
		_ = away.Erase(t.Context(), uuid.Nil)
	}), map[string]float64{
		"ampra_archive_read_seconds{query=latest}": 2, "ampra_archive_read_failures_total{query=latest}": 1,
		"ampra_archive_read_seconds{query=history}": 1, "ampra_archive_read_failures_total{query=history}": 1,
		"ampra_archive_read_seconds{query=erase}": 1, "ampra_archive_read_failures_total{query=erase}": 1,
	})
}

func TestTheAgeOfACommitCountsOnlyWhileThereIsSomethingToCommit(t *testing.T) {
	t.Parallel()
	m := New("test")
	now := time.Unix(1_000_000, 0)
	m.now = func() time.Time { return now }
	s := &script{}
	log := m.Log(s)
	age := func() float64 { return values(t, m)["ampra_writer_commit_age_seconds"] }
	fetch := func() telemetry.Batch {
		batch, err := log.Fetch(t.Context(), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		return batch
	}
	now = now.Add(time.Hour)
	if age() != 0 {
		t.Errorf("with nothing to commit the age is %v", age())
	}
	first := fetch()
	now = now.Add(2 * time.Second)
	second := fetch()
	now = now.Add(time.Second)
	if age() != 3 {
		t.Errorf("the age is %v, want 3", age())
	}
	s.commit = errors.New("no")
	_ = first.Commit(t.Context())
	if age() != 3 {
		t.Errorf("after a commit that failed the age is %v, want 3", age())
	}
	s.commit = nil
	_ = first.Commit(t.Context())
	now = now.Add(time.Second)
	if age() != 1 {
		t.Errorf("with one of two committed the age is %v, want 1", age())
	}
	_ = second.Commit(t.Context())
	_ = second.Commit(t.Context())
	now = now.Add(time.Second)
	if age() != 0 {
		t.Errorf("with all committed the age is %v", age())
	}
	got := values(t, m)
	if got["ampra_writer_batch_seconds"] != 2 || got["ampra_writer_batch_readings"] != 2 || got["ampra_writer_commits_total{result=refused}"] != 1 {
		t.Errorf("the writer's counts are %v", got)
	}
	s.err = errAway
	if _, err := log.Fetch(t.Context(), 1, 0); !errors.Is(err, errAway) || age() != 0 {
		t.Errorf("a failed fetch: %v, age %v", err, age())
	}
}

func TestDeadLettersAreCountedOnceTheyAreKeptAndUnderKnownNamesOnly(t *testing.T) {
	t.Parallel()
	m := New("test")
	letters := []telemetry.DeadLetter{{Origin: "mqtt", Kind: telemetry.LetterRefused}, {Origin: "x", Kind: "y"}}
	expect(t, changed(t, m, func() {
		_ = m.DeadLetters(&script{}).Put(t.Context(), letters...)
		_ = m.DeadLetters(&script{err: errAway}).Put(t.Context(), letters...)
	}), map[string]float64{
		"ampra_dead_letters_total{kind=refused,origin=mqtt}": 1, "ampra_dead_letters_total{kind=other,origin=other}": 1,
	})
}

func TestKafkaIsCountedByTopicAndAnswer(t *testing.T) {
	t.Parallel()
	m := New("test")
	expect(t, changed(t, m, func() {
		m.Produced("telemetry", 10, 1000, time.Second, nil)
		m.Produced("dead", 2, 100, time.Second, errAway)
		m.Fetched(5, 500)
		m.Retried()
		m.Part("journal", true)
	}), map[string]float64{
		"ampra_kafka_produced_records_total{result=ok,topic=telemetry}": 10, "ampra_kafka_produced_records_total{result=passing,topic=dead}": 2,
		"ampra_kafka_produced_bytes_total{topic=telemetry}": 1000,
		"ampra_kafka_batch_records{topic=telemetry}":        1, "ampra_kafka_batch_records{topic=dead}": 1,
		"ampra_kafka_produce_seconds{topic=telemetry}": 1, "ampra_kafka_produce_seconds{topic=dead}": 1,
		"ampra_kafka_fetched_records_total": 5, "ampra_kafka_fetched_bytes_total": 500,
		"ampra_writer_retries_total": 1, "ampra_part_ready{part=journal}": 1,
	})
}

func TestEverythingIsShownAsTextWithItsTypeAndMeaning(t *testing.T) {
	t.Parallel()
	m := New("v1.2.3")
	m.CounterOf("ampra_test_total", "A test.", map[string]string{"kind": "a"}, func() float64 { return 4 })
	m.CounterOf("ampra_test_total", "A test.", map[string]string{"kind": "b"}, func() float64 { return 5 })
	m.Gauge("ampra_test", "A gauge.", func() float64 { return 6 })
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	lines := strings.Split(answer.Body.String(), "\n")
	for _, want := range []string{
		`ampra_test_total{kind="b"} 5`, `# TYPE ampra_test gauge`, `# HELP ampra_test A gauge.`, `ampra_test 6`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is not among the lines", want)
		}
	}
	if !strings.Contains(answer.Body.String(), `version="v1.2.3"`) {
		t.Error("the version is not shown")
	}
}
