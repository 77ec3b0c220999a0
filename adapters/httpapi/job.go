package httpapi

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"ampra/core/csvimport"
	"ampra/core/job"
	"ampra/modules/jobs"
)

// JobDto is work that outlives its request.
type JobDto struct {
	ID            uuid.UUID          `json:"id" format:"uuid"`
	SourceID      uuid.UUID          `json:"sourceId" format:"uuid"`
	Kind          string             `json:"kind" enum:"import"`
	State         string             `json:"state" enum:"queued,running,done,failed"`
	Progress      float64            `json:"progress" minimum:"0" maximum:"1"`
	Rows          int64              `json:"rows" minimum:"0"`
	Accepted      int64              `json:"accepted" minimum:"0" description:"rows whose readings are stored durably"`
	Rejected      int64              `json:"rejected" minimum:"0" description:"rows that were refused; see rejected"`
	Skipped       int64              `json:"skipped" minimum:"0" description:"rows without a value"`
	Warnings      []ImportWarningDto `json:"warnings"`
	FirstProblems []ImportProblemDto `json:"firstProblems"`
	Failure       *string            `json:"failure" description:"why it failed"`
	CreatedAt     instant            `json:"createdAt"`
	StartedAt     *instant           `json:"startedAt"`
	EndedAt       *instant           `json:"endedAt"`
}

// JobPageDto is a part of one's jobs.
type JobPageDto struct {
	Jobs       []JobDto `json:"jobs"`
	NextCursor *string  `json:"nextCursor" description:"for the parameter cursor; null at the end"`
}

func jobDto(j job.Job) JobDto {
	return JobDto{
		ID: j.ID, SourceID: j.SourceID, Kind: string(j.Kind), State: string(j.State), Progress: j.Progress,
		Rows: j.Counts.Rows, Accepted: j.Counts.Accepted, Rejected: j.Counts.Rejected, Skipped: j.Counts.Skipped,
		Warnings: warningDtos(j.Warnings), FirstProblems: problemDtos(j.FirstProblems), Failure: orNull(j.Failure),
		CreatedAt: instant(j.CreatedAt), StartedAt: at(j.StartedAt), EndedAt: at(j.EndedAt),
	}
}

func (c *call) listJobs() error {
	ask := jobs.Ask{Limit: c.number("limit", jobs.DefaultLimit, 1, jobs.MaxLimit, "must be between 1 and 100")}
	ask.Cursor, _ = c.param("cursor")
	ask.Unreadable = c.wrong
	page, err := c.s.d.Jobs.List(c.ctx, c.who(), ask)
	if err != nil {
		return err
	}
	dto := JobPageDto{Jobs: make([]JobDto, len(page.Jobs))}
	for i, j := range page.Jobs {
		dto.Jobs[i] = jobDto(j)
	}
	if page.Next != "" {
		dto.NextCursor = &page.Next
	}
	return c.answer(http.StatusOK, dto)
}

func (c *call) getJob() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	found, err := c.s.d.Jobs.Get(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, jobDto(found))
}

const mediaCSV = "text/csv"

// getRejected answers with a job's refused rows; at most 1,000 of them are kept.
func (c *call) getRejected() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	refused, err := c.s.d.Jobs.Refused(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"line", "column", "text", "row"}}
	for _, r := range refused {
		rows = append(rows, []string{strconv.FormatInt(r.Line, 10), csvimport.Guard(r.Column), csvimport.Guard(r.Text), csvimport.Guard(r.Row)})
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	c.f.Context().SetContentType(mediaCSV + "; charset=utf-8")
	c.f.Set("Content-Disposition", `attachment; filename="rejected-`+id.String()[:8]+`.csv"`)
	c.f.Set("Cache-Control", "private, no-cache")
	return c.f.Send(b.Bytes())
}

func docListJobs() operation {
	return operation{
		id: "listJobs", summary: "List jobs", about: "One's own, the newest first; the newest 100 are kept.",
		params: []param{
			inQuery("limit", schema{"type": "integer", "minimum": 1, "maximum": jobs.MaxLimit, "default": jobs.DefaultLimit}, "How many at the most."),
			inQuery("cursor", schema{"type": "string"}, "The nextCursor of the page before."),
		},
		answers: ok(JobPageDto{}),
	}
}

func docGetJob() operation {
	return operation{id: "getJob", summary: "Get a job", about: "How far it is, and what it refused.", answers: ok(JobDto{})}
}

func docGetRejected() operation {
	return operation{
		id: "getRejectedRows", summary: "Get the rows that a job refused", about: "The first 1,000, with their lines in the file and why.",
		answers: []answer{{status: http.StatusOK, media: mediaCSV, about: "line, column, text (why), row (as in the file, its begin)."}},
	}
}
