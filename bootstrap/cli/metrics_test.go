package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ampra/bootstrap/simulate"
	"ampra/core/credential"
	"ampra/test/stack"
)

// screen is what a command writes to.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to be that %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// serve runs the command line's server until the test ends, and returns where its
// API and its broker are.
func serve(t *testing.T, args ...string) (api, broker string) {
	t.Helper()
	out := &screen{}
	args = append([]string{
		"serve", "--data=" + t.TempDir(), "--http-listen=127.0.0.1:0", "--public-url=http://127.0.0.1:0",
		"--mqtt-listen=127.0.0.1:0", "--mqtt-tls-listen=", "--log-level=error",
	}, args...)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	go func() { ended <- Run(ctx, args, "v-test", out, out) }()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != ExitOK || t.Failed() {
			t.Logf("the server ended with code %d and said\n%s", code, out)
		}
	})
	said := func(word string) string {
		_, rest, _ := strings.Cut(out.String(), "\n  "+word+" ")
		line, _, whole := strings.Cut(rest, "\n")
		if !whole {
			return ""
		}
		return strings.TrimSpace(line)
	}
	eventually(t, "the server says where it is", func() bool { return said("data") != "" || len(ended) > 0 })
	return strings.TrimSuffix(said("API"), "/api"), said("MQTT")
}

// scrape reads /metrics as Prometheus does.
func scrape(t *testing.T, api string) map[string]*dto.MetricFamily {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("scraping: %s, %v", answer.Status, err)
	}
	return families
}

// amount is the sum of a metric over all labels; of a histogram how often it was
// observed.
func amount(f *dto.MetricFamily) (sum float64) {
	for _, m := range f.GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

// described is a row of the table in docs/operating.md.
type described struct {
	kind   string
	labels []string
}

var metricRow = regexp.MustCompile("(?m)^\\| `(ampra_[a-z_]+)` \\| (counter|gauge|histogram) \\|([^|]*)\\| [^|]+ \\|$")

func documented(t *testing.T) map[string]described {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]described{}
	for _, row := range metricRow.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for label := range strings.SplitSeq(row[3], ",") {
			if label = strings.Trim(label, "` "); label != "" {
				labels = append(labels, label)
			}
		}
		slices.Sort(labels)
		found[row[1]] = described{row[2], labels}
	}
	if len(found) < 40 {
		t.Fatalf("the table has %d metrics only: was it moved?", len(found))
	}
	return found
}

// seen is what a scrape says of a metric.
func seen(f *dto.MetricFamily) described {
	labels := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = true
		}
	}
	return described{strings.ToLower(f.GetType().String()), slices.Sorted(maps.Keys(labels))}
}

// compare holds a scrape against the document and notes which metrics it has.
func compare(t *testing.T, families map[string]*dto.MetricFamily, table map[string]described, found map[string]bool) {
	t.Helper()
	for name, f := range families {
		if !strings.HasPrefix(name, "ampra_") {
			continue
		}
		found[name] = true
		want, known := table[name]
		got := seen(f)
		switch {
		case !known:
			t.Errorf("%s (%s, labels %v) has no row in docs/operating.md: %s", name, got.kind, got.labels, f.GetHelp())
		case got.kind != want.kind || !slices.Equal(got.labels, want.labels):
			t.Errorf("%s is a %s with the labels %v, in docs/operating.md a %s with %v", name, got.kind, got.labels, want.kind, want.labels)
		}
	}
}

// drive sends readings, which all have to be found, and knocks where it is not let
// in.
func drive(t *testing.T, api, broker string, webhooks float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := simulate.Run(ctx, simulate.Options{
		SignIn:  simulate.SignIn{URL: api, Email: "a@example.org", Password: credential.NewSecret("Sunny-1-day")},
		MQTT:    simulate.MQTTOptions{URL: broker},
		Sources: 2, WebhookShare: &webhooks, Days: 0.01, Speed: simulate.Max(), Seed: 1,
	})
	if err != nil {
		t.Fatalf("playing: %v", err)
	}
	for path, want := range map[string]int{
		"/api/auth/login": http.StatusUnauthorized,
		"/api/webhook/sunsource/00000000-0000-4000-8000-000000000000": http.StatusUnauthorized,
	} {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, api+path, strings.NewReader(`{"email":"a@example.org","password":"wrong"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s answers %s: %s", path, answer.Status, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// moved checks that metrics are more than they were.
func moved(t *testing.T, before, after map[string]*dto.MetricFamily, names ...string) {
	t.Helper()
	for _, name := range names {
		if b, a := amount(before[name]), amount(after[name]); a <= b {
			t.Errorf("%s was %v and is %v after readings were sent", name, b, a)
		}
	}
}

func TestEveryMetricIsInTheTableAndThoseOfTheWayOfAReadingMove(t *testing.T) {
	t.Parallel()
	table := documented(t)
	found := map[string]bool{}
	both := []string{
		"ampra_ingest_deliveries_total", "ampra_ingest_readings_total", "ampra_ingest_payload_bytes_total", "ampra_ingest_seconds",
		"ampra_signins_total", "ampra_signin_seconds", "ampra_webhook_requests_total", "ampra_http_request_seconds",
		"ampra_journal_readings_total", "ampra_journal_entry_readings", "ampra_journal_append_seconds",
		"ampra_archive_readings_total", "ampra_archive_batch_readings", "ampra_archive_write_seconds", "ampra_archive_read_seconds",
		"ampra_received_to_queryable_seconds", "ampra_feed_position",
	}
	t.Run("embedded", func(t *testing.T) {
		api, broker := serve(t)
		before := scrape(t, api)
		drive(t, api, "mqtt://"+broker, 0.5)
		after := scrape(t, api)
		compare(t, after, table, found)
		moved(t, before, after, append([]string{"ampra_mqtt_publishes_total"}, both...)...)
		eventually(t, "all parts are shown as ready", func() bool {
			f := scrape(t, api)["ampra_part_ready"]
			return len(f.GetMetric()) >= 3 && amount(f) == float64(len(f.GetMetric()))
		})
		if got := scrape(t, api); amount(got["ampra_feed_trusted"]) != 1 || amount(got["ampra_ingest_open_deliveries"]) != 0 {
			t.Error("the feed is not trusted, or deliveries are open for ever")
		}
	})
	t.Run("scale, with an outside broker", func(t *testing.T) {
		brokers, prefix := stack.Kafka(t)
		mongo, database := stack.Mongo(t)
		key := filepath.Join(t.TempDir(), "key")
		settings := []string{
			"--key-file=" + key, "--postgres-url=" + stack.Postgres(t), "--mongo-url=" + mongo, "--mongo-database=" + database,
			"--kafka-brokers=" + strings.Join(brokers, ","), "--kafka-topic-prefix=" + prefix, "--mqtt-url=" + stack.Mosquitto(t), "--mqtt-group=" + prefix,
		}
		if code := Run(t.Context(), append([]string{"keys", "generate"}, settings...), "v-test", io.Discard, &screen{}); code != ExitOK {
			t.Fatalf("making keys: code %d", code)
		}
		api, _ := serve(t, settings...)
		before := scrape(t, api)
		drive(t, api, "", 1)
		after := scrape(t, api)
		compare(t, after, table, found)
		moved(t, before, after, append([]string{
			"ampra_kafka_produced_records_total", "ampra_kafka_produced_bytes_total", "ampra_kafka_batch_records", "ampra_kafka_produce_seconds",
			"ampra_kafka_fetched_records_total", "ampra_kafka_fetched_bytes_total", "ampra_writer_partitions", "ampra_writer_batch_readings",
			"ampra_writer_batch_seconds", "ampra_writer_commits_total",
		}, both...)...)
		eventually(t, "the writer has caught up", func() bool {
			now := scrape(t, api)
			return amount(now["ampra_writer_lag_records"]) == 0 && amount(now["ampra_writer_commit_age_seconds"]) == 0
		})
		for name := range table {
			if !found[name] && !strings.HasPrefix(name, "ampra_emqx_") && !strings.HasPrefix(name, "ampra_mosquitto_") { // with those brokers only
				t.Errorf("%s is in docs/operating.md and nowhere else", name)
			}
		}
	})
}

// expression finds the names of metrics in a query.
var expression = regexp.MustCompile(`\b(ampra|go|process)_[a-z0-9_]+\b`)

// inQuery checks that what a query asks for is documented, or is Go's own.
func inQuery(query string, table map[string]described) error {
	names := expression.FindAllString(query, -1)
	if len(names) == 0 && !strings.Contains(query, "up{") {
		return fmt.Errorf("%q asks for no metric", query)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "ampra_") {
			if !slices.Contains(ofGo(), name) {
				return fmt.Errorf("%q asks for %s, which is unknown", query, name)
			}
			continue
		}
		base := name
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			base = strings.TrimSuffix(base, suffix)
		}
		row, known := table[base]
		if !known || (base != name) != (row.kind == "histogram") {
			return fmt.Errorf("%q asks for %s, which is unknown", query, name)
		}
	}
	if strings.Count(query, "(") != strings.Count(query, ")") || strings.Count(query, "{") != strings.Count(query, "}") {
		return fmt.Errorf("%q does not close what it opens", query)
	}
	return nil
}

// ofGo are the metrics of the runtime and of the process that are asked for.
func ofGo() []string {
	return []string{
		"go_goroutines", "go_memstats_heap_inuse_bytes", "go_gc_duration_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes",
		"process_open_fds", "process_max_fds", "process_start_time_seconds",
	}
}
