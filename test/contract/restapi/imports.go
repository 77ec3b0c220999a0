package restapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// multipartBody is a form with its media type.
type multipartBody struct {
	data  []byte
	media string
}

// form makes a form of parts, in their order: name, content.
func form(parts ...[2]string) multipartBody {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range parts {
		create := w.CreateFormField
		if part[0] == "file" {
			create = func(name string) (io.Writer, error) { return w.CreateFormFile(name, "readings.csv") }
		}
		to, err := create(part[0])
		if err == nil {
			_, err = to.Write([]byte(part[1]))
		}
		if err != nil {
			panic(err) // a buffer takes all
		}
	}
	_ = w.Close()
	return multipartBody{b.Bytes(), w.FormDataContentType()}
}

// fileOf is a form with a file and options, "" for none.
func fileOf(file, options string) multipartBody {
	if options == "" {
		return form([2]string{"file", file})
	}
	return form([2]string{"options", options}, [2]string{"file", file})
}

func importsPath(id string) string { return sourcePath(id) + "/imports" }

// imported brings a file in and returns its job, once it has ended.
func (p *person) imported(t *testing.T, source, file, options string) object {
	t.Helper()
	got := p.post(t, importsPath(source), fileOf(file, options))
	got.want(t, 202)
	id := got.text(t, "jobId")
	if got.location(t) != "/api/jobs/"+id {
		t.Errorf("Location is %s", got.location(t))
	}
	return p.ended(t, id)
}

func (p *person) ended(t *testing.T, job string) object {
	t.Helper()
	var found object
	eventually(t, "the import has ended", func() bool {
		got := p.get(t, "/api/jobs/"+job)
		got.want(t, 200)
		found = got.object(t)
		return found["state"] == "done" || found["state"] == "failed"
	})
	return found
}

// newJob makes a job that is done, with a row that was refused.
func (p *person) newJob(t *testing.T) string {
	t.Helper()
	return sprint(p.imported(t, p.newSource(t, "MQTT"), "timestamp,acPowerWatts\n2026-01-01T10:00:00Z,5\nx,5\n", "")["id"])
}

func (s *suite) imports(t *testing.T) {
	t.Run("a file's readings are found and its bad rows reported", s.importWhole)
	t.Run("a dry run says what is understood and stores nothing", s.dryRun)
	t.Run("wrong options are named at once", s.wrongOptions)
	t.Run("forms that are none are refused", s.wrongForms)
	t.Run("a packed file is unpacked", s.packed)
	t.Run("a repeat with a key gets the first answer", s.importRepeated)
	t.Run("energies of intervals add up to counters, also over several files", s.intervals)
	t.Run("jobs are listed in pages", s.jobPages)
	t.Run("other routes still take no large bodies", s.largeBodies)
}

const jobNames = "id sourceId kind state progress rows accepted rejected skipped warnings firstProblems failure createdAt startedAt endedAt"

func (s *suite) importWhole(t *testing.T) {
	d := s.newDevice(t)
	file := "# a logger\ntime;P kW;SOC\n2026-01-01 10:00;1,5;50\n2026-01-01 10:05;=x;50\n2026-01-01 10:10;;\n2026-01-01 10:15;2,5;51\n"
	options := `{"timeZone":"Europe/Berlin","decimal":",","columns":{"P kW":{"field":"acPowerWatts","unit":"kW"},"SOC":{"field":"batteryStateOfChargePercent"}}}`
	for range 2 { // a repeat is accepted: it is the same readings
		job := d.imported(t, d.id, file, options)
		for name, want := range map[string]any{
			"state": "done", "kind": "import", "sourceId": d.id, "progress": 1.0, "rows": 4.0, "accepted": 2.0, "rejected": 1.0, "skipped": 1.0, "failure": nil,
		} {
			if job[name] != want {
				t.Errorf("%s is %v, want %v", name, job[name], want)
			}
		}
		for name := range strings.FieldsSeq(jobNames) {
			if _, ok := job[name]; !ok {
				t.Errorf("the job has no %s", name)
			}
		}
		if !likeTime(job["createdAt"]) || !likeTime(job["startedAt"]) || !likeTime(job["endedAt"]) {
			t.Errorf("the times of %v", job)
		}
		problems := objects(t, job["firstProblems"])
		if len(problems) != 1 || problems[0]["line"] != 4.0 || problems[0]["column"] != "P kW" {
			t.Errorf("the problems are %v", problems)
		}
		refused := d.get(t, "/api/jobs/"+sprint(job["id"])+"/rejected")
		refused.want(t, 200)
		if want := "line,column,text,row\n4,P kW,\"\"\"=x\"\" is no number\",2026-01-01 10:05;=x;50\n"; string(refused.body) != want {
			t.Errorf("refused: %q, want %q", refused.body, want)
		}
		found := d.readings(t, 2)
		if found[0]["acPowerWatts"] != 2500.0 || found[1]["timestamp"] != "2026-01-01T09:00:00Z" || found[1]["batteryStateOfChargePercent"] != 50.0 {
			t.Errorf("got %v", found)
		}
	}
}

func (s *suite) dryRun(t *testing.T) {
	d := s.newDevice(t)
	got := d.post(t, importsPath(d.id)+"?dryRun=true", fileOf("timestamp,pv power kW,fnord\n2026-01-01T10:00:00Z,1.5,2\n2026-01-01T10:05:00Z,y,2\n", ""))
	got.want(t, 200)
	o := got.object(t)
	for name, want := range map[string]any{
		"rows": 2.0, "accepted": 1.0, "rejected": 1.0, "timeColumn": "timestamp", "timeFormat": "iso", "delimiter": ",", "complete": true,
		"from": "2026-01-01T10:00:00Z", "timeZone": "UTC",
	} {
		if o[name] != want {
			t.Errorf("%s is %v, want %v", name, o[name], want)
		}
	}
	columns := objects(t, o["columns"])
	if len(columns) != 2 || columns[0]["field"] != "solarPowerWatts" || columns[0]["factor"] != 1000.0 || columns[1]["field"] != nil || columns[1]["note"] == nil {
		t.Errorf("the columns are %v", columns)
	}
	if problems := objects(t, o["firstProblems"]); len(problems) != 1 || problems[0]["line"] != 3.0 {
		t.Errorf("the problems are %v", problems)
	}
	d.readings(t, 0)
	d.post(t, importsPath(d.id)+"?dryRun=maybe", fileOf("a", "")).wantErrors(t, "dryRun")
}

func (s *suite) wrongOptions(t *testing.T) {
	d := s.newDevice(t)
	const file = "timestamp,a\n2026-01-01T10:00:00Z,1\n"
	for options, fields := range map[string][]string{
		`{"decimal":"x","interval":5,"columns":{"a":{"field":"nothing"}}}`:     {"decimal", "interval", "columns.a"},
		`{"columns":{"a":{"field":"acPowerWatts","sort":1},"b":7}}`:            {"columns.a.sort", "columns.b"},
		`{"columns":{"b":{"field":"acPowerWatts"}}}`:                           {"columns.b"},
		`{"columns":{"a":{"field":"loadPowerWatts","kind":"mean"}}}`:           {"interval"},
		`{"timeColumn":"when"}`:                                                {"timeColumn"},
		`{"timeZone":"Mars/Olympus"}`:                                          {"timeZone"},
		`{"timeFormat":"DD.MM.YYYY HH:mm","frobnicate":true}`:                  {"frobnicate"},
		`{"columns":{"a":null}}`:                                               {"columns"},
		`{}`:                                                                   {"columns"},
		`{"columns":{"a":{"field":"energyTotalKwh","unit":"W"}}}`:              {"columns.a"},
		`{"delimiter":";","columns":{"timestamp,a":{"field":"acPowerWatts"}}}`: {"file"},
	} {
		d.post(t, importsPath(d.id), fileOf(file, options)).wantErrors(t, fields...)
	}
	d.post(t, importsPath(d.id), form([2]string{"file", file}, [2]string{"options", `{"decimal":"x"}`})).wantErrors(t, "decimal") // also behind the file
	d.post(t, importsPath(d.id), fileOf(file, `{"decimal"`)).want(t, 400)
	d.post(t, importsPath(d.id), fileOf(file, `[]`)).want(t, 400)
	if jobs := objects(t, d.get(t, "/api/jobs").object(t)["jobs"]); len(jobs) != 0 {
		t.Errorf("there are jobs of wrong options: %v", jobs)
	}
}

func (s *suite) wrongForms(t *testing.T) {
	d := s.newDevice(t)
	d.post(t, importsPath(d.id), object{"file": "x"}).want(t, 415)
	d.post(t, importsPath(d.id), form([2]string{"options", "{}"})).wantErrors(t, "file")
	d.post(t, importsPath(d.id), form([2]string{"fil", "x"})).wantErrors(t, "fil")
	d.post(t, importsPath(d.id), form([2]string{"file", "a,b\n"}, [2]string{"file", "a,b\n"})).wantErrors(t, "file")
	cut := form([2]string{"file", strings.Repeat("a,b\n", 1000)})
	cut.data = cut.data[:len(cut.data)/2]
	d.post(t, importsPath(d.id), cut).want(t, 400)
	d.post(t, importsPath(d.id), form([2]string{"file", "a,b\n"}), with{"Content-Encoding", "gzip"}).want(t, 415)
	d.post(t, importsPath(d.id), fileOf("", "")).want(t, 400)
	d.post(t, importsPath(d.id), nil).want(t, 415)
	d.post(t, importsPath("none"), fileOf("a,b\n", "")).want(t, 404)
	d.get(t, "/api/jobs/none").want(t, 404)
	d.get(t, "/api/jobs?limit=0").wantErrors(t, "limit")
	d.get(t, "/api/jobs?cursor=x").wantErrors(t, "cursor")
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func (s *suite) packed(t *testing.T) {
	d := s.newDevice(t)
	job := d.imported(t, d.id, zipped("timestamp,acPowerWatts\n2026-01-01T10:00:00Z,5\n"), "")
	if job["accepted"] != 1.0 {
		t.Errorf("got %v", job)
	}
	d.readings(t, 1)
	broken := zipped("timestamp,acPowerWatts\n2026-01-01T10:00:00Z,5\n")
	d.post(t, importsPath(d.id), fileOf(broken[:len(broken)-6], "")).wantErrors(t, "file")
	bomb := d.post(t, importsPath(d.id), fileOf(zipped(strings.Repeat("0", 20<<20)), ""))
	bomb.want(t, 413)
}

func (s *suite) importRepeated(t *testing.T) {
	d := s.newDevice(t)
	key := with{"Idempotency-Key", "a file " + d.id}
	const file = "timestamp,acPowerWatts\n2026-01-01T10:00:00Z,5\n"
	first := d.post(t, importsPath(d.id), fileOf(file, ""), key)
	first.want(t, 202)
	again := d.post(t, importsPath(d.id), fileOf(file, ""), key) // with another boundary
	again.want(t, 202)
	if first.text(t, "jobId") != again.text(t, "jobId") || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeat got %s after %s", again.body, first.body)
	}
	d.post(t, importsPath(d.id), fileOf(file+" ", ""), key).want(t, 422)
	d.post(t, importsPath(d.id), fileOf(file, "{}"), key).want(t, 422)
	d.ended(t, first.text(t, "jobId"))
}

func (s *suite) intervals(t *testing.T) {
	d := s.newDevice(t)
	options := `{"interval":"PT30M","columns":{"pv":{"field":"energyTotalKwh","unit":"Wh","kind":"interval"},"use":{"field":"loadPowerWatts","unit":"kW","kind":"mean"}}}`
	totals := func(want ...float64) {
		t.Helper()
		found := d.readings(t, len(want))
		for i, total := range want { // the oldest first
			if got := found[len(found)-1-i]["energyTotalKwh"]; got != total {
				t.Errorf("reading %d: the counter is %v, want %v", i, got, total)
			}
		}
	}
	d.imported(t, d.id, "time,pv,use\n2026-01-01 10:30,200,2\n2026-01-01 10:00,100,1\n", options) // the newest first
	totals(0, 0.1, 0.3)
	if last := d.readings(t, 3)[0]; last["loadTotalKwh"] != 1.5 || last["loadPowerWatts"] != 2000.0 || last["timestamp"] != "2026-01-01T11:00:00Z" {
		t.Errorf("the last is %v", last)
	}
	d.imported(t, d.id, "time,pv,use\n2026-01-01 11:00,100,1\n2026-01-01 13:00,50,1\n", options) // goes on, after a gap
	totals(0, 0.1, 0.3, 0.4, 0.4, 0.45)
	d.imported(t, d.id, "time,pv,use\n2026-01-01 10:30,200,2\n2026-01-01 10:00,100,1\n", options) // a repeat changes nothing
	totals(0, 0.1, 0.3, 0.4, 0.4, 0.45)

	later := s.newDevice(t) // whose device counts on its own by now
	later.send(t, `{"timestamp":"2026-01-02T00:00:00Z","energyTotalKwh":1000}`).want(t, 202)
	later.readings(t, 1)
	later.imported(t, later.id, "time,pv,use\n2026-01-01 10:00,100,\n", options)
	if found := later.readings(t, 3); found[1]["energyTotalKwh"] != 1000.0 || found[2]["energyTotalKwh"] != 999.9 {
		t.Errorf("got %v", found)
	}
}

func (s *suite) jobPages(t *testing.T) {
	p := s.newUser(t, "User")
	source := p.newSource(t, "MQTT")
	var made []string
	for i := range 5 {
		job := p.imported(t, source, fmt.Sprintf("timestamp,acPowerWatts\n2026-01-01T10:00:00Z,%d\n", i), "")
		made = append([]string{sprint(job["id"])}, made...)
		s.tick()
	}
	var seen []string
	path := "/api/jobs?limit=2"
	for range 4 {
		got := p.get(t, path).object(t)
		for _, job := range objects(t, got["jobs"]) {
			seen = append(seen, sprint(job["id"]))
		}
		if got["nextCursor"] == nil {
			break
		}
		path = "/api/jobs?limit=2&cursor=" + sprint(got["nextCursor"])
	}
	if strings.Join(seen, " ") != strings.Join(made, " ") {
		t.Errorf("pages show %v, want %v", seen, made)
	}
}

// unsized is a body whose length nobody tells.
type unsized struct{ left int }

func (u *unsized) Read(p []byte) (int, error) {
	if u.left == 0 {
		return 0, fmt.Errorf("the server reads on and on")
	}
	n := min(len(p), u.left)
	for i := range p[:n] {
		p[i] = ' '
	}
	u.left -= n
	return n, nil
}

func (s *suite) largeBodies(t *testing.T) {
	p := s.newUser(t, "User")
	source := p.newSource(t, "Webhook")
	big := strings.Repeat(" ", 1<<20+1)
	for _, path := range []string{"/api/sunsources", webhookPath(source), "/api/auth/login", "/nowhere"} {
		got := p.post(t, path, big)
		if got.status != http.StatusRequestEntityTooLarge || !strings.Contains(got.header.Get("Content-Type"), "problem+json") {
			t.Errorf("%s answers %d to a large body", path, got.status)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.site.URL+path, &unsized{64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Cookie", p.cookie)
		client := &http.Client{Timeout: 20 * time.Second}
		response, err := client.Do(request)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			continue // it hung up while the client was still writing, who then may miss the answer
		}
		if err != nil {
			t.Errorf("%s, a large body of no known length: %v", path, err)
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s answers %d to a large body of no known length", path, response.StatusCode)
		}
	}
	if got := p.post(t, "/api/sunsources", object{"name": strings.Repeat("x", 50_000), "connectionType": "MQTT"}); got.status != 400 {
		t.Errorf("a body of 50 KB gets %d", got.status)
	}
	large := "timestamp,acPowerWatts\n" + strings.Repeat("2026-01-01T10:00:00Z,5\n", 120_000) // 2.7 MB
	got := p.post(t, importsPath(source)+"?dryRun=true", fileOf(large, ""))
	got.want(t, 200)
	if rows := got.object(t)["rows"]; rows != 120_000.0 {
		t.Errorf("of a large file %v rows are read", rows)
	}
}
