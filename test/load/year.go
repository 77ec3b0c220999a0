package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"ampra/adapters/sqldb"
	"ampra/core/energy"
	"ampra/core/telemetry"
)

const (
	// yearGap is how far the readings of the case year are apart.
	yearGap = 10 * time.Second
	// yearAsks is how often each question is put.
	yearAsks = 200
	// yearTime bounds the import and the roll-up after it, each.
	yearTime = 30 * time.Minute
	// yearPage is how many readings the raw scan reads at once.
	yearPage = 10_000
)

// yearCase: the readings of one source, every 10 s for --days, come in as a file;
// then its owner's questions, and beside them the same energies out of the raw
// readings.
func (b *bench) yearCase(ctx context.Context) error {
	return errors.Join(b.yearEmbedded(ctx), b.yearScale(ctx))
}

// yearSettings let the import run as fast as it can, and keep what is asked for.
func yearSettings() map[string]string {
	return map[string]string{"AMPRA_IMPORT_RATE": "10000000", "AMPRA_ROLLUP_EVERY": "1s", "AMPRA_RETENTION": "0"}
}

func (b *bench) yearEmbedded(ctx context.Context) (err error) {
	h, err := b.embeddedHouse(ctx, 1)
	if err != nil {
		return err
	}
	server, err := h.run(ctx, "ampra", "", yearSettings())
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, server.stop())
		}
	}()
	y := year{bench: b, name: "embedded", ack: ackSQLite, source: h.devices[0].id, api: server, writer: server, processes: []process{server.process()}}
	if err := y.run(ctx); err != nil {
		return err
	}
	stopped = true // the file is free once the process has ended
	if err := server.stop(); err != nil {
		return err
	}
	archive, err := sqldb.OpenArchive(filepath.Join(h.records.Data, "telemetry.db")) //nolint:contextcheck // opening has none
	if err != nil {
		return err
	}
	return errors.Join(y.rawScan(ctx, archive.History), archive.Close())
}

func (b *bench) yearScale(ctx context.Context) (err error) {
	h, err := b.scaleHouse(ctx)
	if err != nil {
		return err
	}
	line, err := b.newPipeline(ctx, "year")
	if err != nil {
		return err
	}
	defer line.close()
	var running servers
	defer func() { err = errors.Join(err, running.stop()) }()
	for _, role := range []string{"writer", "api"} {
		one, err := h.run(ctx, role, role, line.settings(yearSettings()))
		if err != nil {
			return err
		}
		running = append(running, one)
	}
	archive, err := openMongo(ctx, line)
	if err != nil {
		return err
	}
	defer archive.Close(ctx)
	y := year{
		bench: b, name: "PostgreSQL, Kafka, MongoDB", ack: ackKafka, source: h.devices[0].id, api: running[1], writer: running[0],
		processes: append(running.processes(), b.kafkaProcess(), b.mongoProcess(), b.postgresProcess()), settle: moved(archive),
	}
	if err := y.run(ctx); err != nil {
		return err
	}
	return y.rawScan(ctx, archive.History)
}

// year is one source's long history on an installation.
type year struct {
	bench       *bench
	name, ack   string
	source      uuid.UUID
	api, writer *server
	processes   []process
	settle      func(ctx context.Context) error
	// from and to are midnights of UTC, which is the site's time zone.
	from, to time.Time
}

func (y *year) run(ctx context.Context) error {
	y.to = time.Now().UTC().Truncate(24 * time.Hour)
	y.from = y.to.AddDate(0, 0, -y.bench.opt.days)
	user, err := signIn(ctx, y.api.url(), ownerEmail)
	if err != nil {
		return err
	}
	if err := y.load(ctx, user); err != nil {
		return err
	}
	return y.questions(ctx, user)
}

// load imports the history and waits until it is stored and rolled up.
func (y *year) load(ctx context.Context, user *visitor) error {
	n := int(y.to.Sub(y.from) / yearGap)
	r := row{name: fmt.Sprintf("%d days of one source, %s", y.bench.opt.days, y.name), ack: y.ack}
	y.bench.say(fmt.Sprintf("%s: a CSV of %d readings", r.name, n), 0)
	w := begin(ctx, append([]process{myself("generator")}, y.processes...))
	began := time.Now()
	err := y.bring(ctx, user, n)
	r.length = time.Since(began)
	if err == nil && y.settle != nil {
		err = y.settle(ctx)
	}
	if err == nil {
		err = y.rolledUp(ctx)
	}
	r.used, r.others = w.end()
	if err == nil {
		r.readings, r.counts.sent, r.counts.acknowledged, r.rate = n, n, n, float64(n)/r.length.Seconds()
		r.note = fmt.Sprintf("rolled up %s after the import; ", (time.Since(began) - r.length).Round(100*time.Millisecond))
	}
	y.bench.add(r, err)
	return err
}

// bring sends the file and waits for the job.
func (y *year) bring(ctx context.Context, user *visitor, n int) error {
	job, err := y.upload(ctx, user)
	if err != nil {
		return err
	}
	told := time.Now()
	for deadline := told.Add(yearTime); ; {
		body, err := get(ctx, user.http, user.base+"/api/jobs/"+job)
		if err != nil {
			return err
		}
		var now struct {
			State    string
			Progress float64
			Accepted int
			Failure  *string
		}
		if err := json.Unmarshal(body, &now); err != nil {
			return err
		}
		switch {
		case now.State == "failed":
			return fmt.Errorf("the import failed: %s", body)
		case now.State == "done" && now.Accepted != n:
			return fmt.Errorf("%d of %d rows were taken", now.Accepted, n)
		case now.State == "done":
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("the import took longer than %s", yearTime)
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			y.bench.say(fmt.Sprintf("  %.0f %% imported", 100*now.Progress), 0)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (y *year) upload(ctx context.Context, user *visitor) (job string, err error) {
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() { _ = writer.CloseWithError(y.write(form)) }()
	defer reader.Close()
	ctx, cancel := context.WithTimeout(ctx, yearTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, user.base+"/api/sunsources/"+y.source.String()+"/imports", reader)
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	patient := http.Client{Jar: user.http.Jar}
	answer, err := patient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusAccepted {
		return "", errors.Join(fmt.Errorf("the import was answered %s: %s", answer.Status, body), err)
	}
	var started struct{ JobID string }
	return started.JobID, json.Unmarshal(body, &started)
}

// write writes the file: a roof with a house below it, whose counters are
// what its powers add up to.
func (y *year) write(form *multipart.Writer) error {
	options, err := form.CreateFormField("options")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(options, `{"timeFormat": "unix", "timeZone": "UTC"}`); err != nil {
		return err
	}
	file, err := form.CreateFormFile("file", "year.csv")
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<16)
	fmt.Fprintln(out, "timestamp,acPowerWatts,loadPowerWatts,gridPowerWatts,energyTotalKwh,loadTotalKwh,gridImportTotalKwh,gridExportTotalKwh,inverterTemperatureC")
	var made, used, drawn, fed float64
	for at := y.from; at.Before(y.to); at = at.Add(yearGap) {
		hour := float64(at.Sub(at.Truncate(24*time.Hour))) / float64(time.Hour)
		sun := math.Max(0, math.Sin((hour-6)/12*math.Pi)) * (4000 + 3000*math.Sin(float64(at.YearDay())/365*2*math.Pi))
		load := 350 + 200*math.Sin(hour) + float64(at.Unix()/10%97)
		const watts = float64(yearGap) / float64(time.Hour) / 1000 // to kWh
		made, used = made+sun*watts, used+load*watts
		drawn, fed = drawn+math.Max(0, load-sun)*watts, fed+math.Max(0, sun-load)*watts
		fmt.Fprintf(out, "%d,%.0f,%.0f,%.0f,%.3f,%.3f,%.3f,%.3f,%.1f\n", at.Unix(), sun, load, load-sun, made, used, drawn, fed, 30+sun/300)
	}
	return errors.Join(out.Flush(), form.Close())
}

// rolledUp waits until no day is left to be rolled up.
func (y *year) rolledUp(ctx context.Context) error {
	for deadline := time.Now().Add(yearTime); ; {
		text, err := get(ctx, http.DefaultClient, y.writer.url()+"/metrics")
		if err != nil {
			return err
		}
		left := parseMetric(text, "ampra_rollup_marks")
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d days were not rolled up within %s", left, yearTime)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// questions are what the owner's pages ask.
func (y *year) questions(ctx context.Context, user *visitor) error {
	base := user.base + "/api/sunsources/" + y.source.String()
	span := func(days int, more url.Values) string {
		more.Set("from", y.to.AddDate(0, 0, -days).Format(time.DateOnly))
		more.Set("to", y.to.Format(time.DateOnly))
		return "?" + more.Encode()
	}
	all := y.bench.opt.days
	chart := func() url.Values { return url.Values{"points": {"1000"}, "fields": {"acPowerWatts,loadPowerWatts"}} }
	for _, q := range []struct{ name, path string }{
		{"summary", "/summary"},
		{fmt.Sprintf("energies of %d days", all), "/energy" + span(all, url.Values{"resolution": {"day"}})},
		{fmt.Sprintf("energies of the months of %d days", all), "/energy" + span(all, url.Values{"resolution": {"month"}})},
		{"energies of the hours of 30 days", "/energy" + span(min(all, 30), url.Values{"resolution": {"hour"}})},
		{fmt.Sprintf("series of %d days, 1,000 points", all), "/telemetry/series" + span(all, chart())},
		{"series of 30 days, 1,000 points", "/telemetry/series" + span(min(all, 30), chart())},
		{"series of a day, 1,000 points", "/telemetry/series" + span(1, chart())},
	} {
		if err := y.ask(ctx, user, q.name, base+q.path); err != nil {
			return err
		}
	}
	return nil
}

// ask puts one question again and again, one at a time.
func (y *year) ask(ctx context.Context, user *visitor, name, address string) error {
	r := row{name: name + ", " + y.name, ack: "200", shown: &histogram{}}
	y.bench.say(r.name, 0)
	var cold time.Duration
	var err error
	w := begin(ctx, append([]process{myself("generator")}, y.processes...))
	began := time.Now()
	for n := range yearAsks + 1 {
		asked := time.Now()
		var body []byte
		if body, err = get(ctx, user.http, address); err != nil {
			break
		}
		if r.payload = len(body); n == 0 {
			cold = time.Since(asked)
			continue
		}
		r.shown.add(time.Since(asked))
	}
	r.length = time.Since(began)
	r.used, r.others = w.end()
	r.readings, r.rate = yearAsks+1, (yearAsks+1)/r.length.Seconds()
	r.note = fmt.Sprintf("the first %.1f ms; rate and CPU are of requests; ", float64(cold.Microseconds())/1000)
	y.bench.add(r, err)
	return err
}

// rawScan makes the days' energies out of all readings.
func (y *year) rawScan(ctx context.Context, find finder) error {
	r := row{name: fmt.Sprintf("energies of %d days out of the readings, %s", y.bench.opt.days, y.name), limit: true, ack: "-"}
	y.bench.say(r.name, 0)
	began := time.Now()
	days, n, err := y.scan(ctx, find)
	r.length = time.Since(began)
	if err == nil {
		var total int64
		buckets := energy.Buckets(days, time.UTC, energy.DayOf, y.from, y.to)
		for i := range buckets {
			total += buckets[i].Energy[energy.Production].MilliwattHours
		}
		r.rate, r.note = float64(n)/r.length.Seconds(), fmt.Sprintf("%.2f s for %d readings of %d days that made %.0f kWh; ", r.length.Seconds(), n, len(days), float64(total)/1e6)
	}
	y.bench.add(r, err)
	return err
}

func (y *year) scan(ctx context.Context, find finder) (days []energy.Day, n int, err error) {
	from := y.from
	fold := energy.NewFolder(energy.DayOfMillis(from.UnixMilli()), energy.State{})
	day := energy.DayOfMillis(from.UnixMilli())
	for {
		page, err := find(ctx, telemetry.Span{SourceID: y.source, From: from, To: y.to, Order: telemetry.OldestFirst, Limit: yearPage})
		if err != nil {
			return nil, n, err
		}
		for i := range page {
			if on := energy.DayOfMillis(page[i].Timestamp.UnixMilli()); on != day {
				done, state := fold.Result()
				days, day, fold = append(days, done), on, energy.NewFolder(on, state)
			}
			fold.Add(page[i].EnergySample())
		}
		n += len(page)
		if len(page) < yearPage {
			break
		}
		from = page[len(page)-1].Timestamp.Add(time.Millisecond)
	}
	done, _ := fold.Result()
	return append(days, done), n, nil
}
