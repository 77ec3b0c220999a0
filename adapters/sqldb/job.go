package sqldb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/job"
)

var _ job.Repository = (*Jobs)(nil)

// Jobs keeps how far work is that outlives its request.
type Jobs struct{ db *DB }

// NewJobs returns the jobs in db.
func NewJobs(db *DB) *Jobs { return &Jobs{db} }

type jobRow struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	ID            uuid.UUID `bun:"id,pk"`
	OwnerID       uuid.UUID `bun:"owner_id"`
	SourceID      uuid.UUID `bun:"source_id"`
	Kind          job.Kind  `bun:"kind"`
	State         job.State `bun:"state"`
	Progress      float64   `bun:"progress"`
	Rows          int64     `bun:"row_count"`
	Accepted      int64     `bun:"accepted"`
	Rejected      int64     `bun:"rejected"`
	Skipped       int64     `bun:"skipped"`
	Warnings      string    `bun:"warnings"`
	FirstProblems string    `bun:"first_problems"`
	Failure       string    `bun:"failure"`
	CreatedAt     instant   `bun:"created_at"`
	StartedAt     *instant  `bun:"started_at"`
	EndedAt       *instant  `bun:"ended_at"`
	LeaseUntil    instant   `bun:"lease_until"`
}

type refusalRow struct {
	bun.BaseModel `bun:"table:job_refusals,alias:r"`

	Seq    int64     `bun:"seq,pk,autoincrement"`
	JobID  uuid.UUID `bun:"job_id"`
	Line   int64     `bun:"line"`
	Column string    `bun:"column_name"`
	Text   string    `bun:"problem"`
	Row    string    `bun:"row_text"`
}

func jobToRow(j job.Job) (jobRow, error) {
	warnings, err := json.Marshal(j.Warnings)
	if err != nil {
		return jobRow{}, err
	}
	problems, err := json.Marshal(j.FirstProblems, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return jobRow{}, err
	}
	return jobRow{
		ID: j.ID, OwnerID: j.OwnerID, SourceID: j.SourceID, Kind: j.Kind, State: j.State, Progress: j.Progress,
		Rows: j.Counts.Rows, Accepted: j.Counts.Accepted, Rejected: j.Counts.Rejected, Skipped: j.Counts.Skipped,
		Warnings: storable(string(warnings)), FirstProblems: storable(string(problems)), Failure: storable(j.Failure),
		CreatedAt: at(j.CreatedAt), StartedAt: maybeAt(j.StartedAt), EndedAt: maybeAt(j.EndedAt), LeaseUntil: at(j.LeaseUntil),
	}, nil
}

// storable makes valid UTF-8 without the character U+0000 of a file's text.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func (r *jobRow) job() (job.Job, error) {
	j := job.Job{
		ID: r.ID, OwnerID: r.OwnerID, SourceID: r.SourceID, Kind: r.Kind, State: r.State, Progress: r.Progress,
		Counts:  job.Counts{Rows: r.Rows, Accepted: r.Accepted, Rejected: r.Rejected, Skipped: r.Skipped},
		Failure: r.Failure, CreatedAt: r.CreatedAt.at, StartedAt: r.StartedAt.maybeTime(), EndedAt: r.EndedAt.maybeTime(),
		LeaseUntil: r.LeaseUntil.at,
	}
	if err := json.Unmarshal([]byte(r.Warnings), &j.Warnings); err != nil {
		return j, fmt.Errorf("decoding a job's warnings: %w", err)
	}
	if err := json.Unmarshal([]byte(r.FirstProblems), &j.FirstProblems); err != nil {
		return j, fmt.Errorf("decoding a job's problems: %w", err)
	}
	return j, nil
}

// Create stores a new job and removes the owner's oldest beyond those that are
// kept.
func (s *Jobs) Create(ctx context.Context, j job.Job) error {
	row, err := jobToRow(j)
	if err != nil {
		return fmt.Errorf("storing a job: %w", err)
	}
	err = s.db.Run(ctx, func(ctx context.Context) error {
		if _, err := s.db.conn(ctx).NewInsert().Model(&row).Exec(ctx); err != nil {
			return err
		}
		kept := s.db.conn(ctx).NewSelect().TableExpr("jobs as k").Column("k.id").Where("k.owner_id = ?", j.OwnerID).
			OrderExpr("k.created_at desc, k.id desc").Limit(job.MaxKept)
		_, err := s.db.conn(ctx).NewDelete().Model((*jobRow)(nil)).Where("j.owner_id = ? and j.id not in (?)", j.OwnerID, kept).Exec(ctx)
		return err
	})
	if isForeignKey(err) {
		err = missing("sun source")
	}
	if err != nil {
		return fmt.Errorf("storing a job: %w", translate(err))
	}
	return nil
}

// Save stores how far a job is, and what it refused since.
func (s *Jobs) Save(ctx context.Context, j job.Job, refused ...job.Refused) error {
	row, err := jobToRow(j)
	if err != nil {
		return fmt.Errorf("storing a job: %w", err)
	}
	rows := make([]refusalRow, len(refused))
	for i, r := range refused {
		r = r.Bounded()
		rows[i] = refusalRow{JobID: j.ID, Line: r.Line, Column: storable(r.Column), Text: storable(r.Text), Row: storable(r.Row)}
	}
	err = s.db.Run(ctx, func(ctx context.Context) error {
		result, err := s.db.conn(ctx).NewUpdate().Model(&row).ExcludeColumn("id", "owner_id", "source_id", "kind", "created_at").
			Where("j.id = ?", j.ID).Exec(ctx)
		if err := affectedOne(result, err, "job"); err != nil {
			return err
		}
		for chunk := range slices.Chunk(rows, 100) {
			if _, err := s.db.conn(ctx).NewInsert().Model(&chunk).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing a job: %w", translate(err))
	}
	return nil
}

// Get returns a job of an owner.
func (s *Jobs) Get(ctx context.Context, owner, id uuid.UUID) (job.Job, error) {
	var row jobRow
	err := s.db.reader(ctx).NewSelect().Model(&row).Where("j.id = ? and j.owner_id = ?", id, owner).Scan(ctx)
	if err != nil {
		return job.Job{}, fmt.Errorf("reading a job: %w", found(err, "job"))
	}
	return row.job()
}

// List returns jobs of an owner, the newest first.
func (s *Jobs) List(ctx context.Context, owner uuid.UUID, limit int, after *job.Place) ([]job.Job, error) {
	var rows []jobRow
	query := s.db.reader(ctx).NewSelect().Model(&rows).Where("j.owner_id = ?", owner)
	if after != nil {
		query = query.Where("(j.created_at, j.id) < (?, ?)", at(after.CreatedAt), after.ID)
	}
	if err := query.OrderExpr("j.created_at desc, j.id desc").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("listing jobs: %w", translate(err))
	}
	jobs := make([]job.Job, len(rows))
	for i := range rows {
		j, err := rows[i].job()
		if err != nil {
			return nil, err
		}
		jobs[i] = j
	}
	return jobs, nil
}

// Refused returns the rows that a job of an owner refused.
func (s *Jobs) Refused(ctx context.Context, owner, id uuid.UUID) ([]job.Refused, error) {
	if _, err := s.Get(ctx, owner, id); err != nil {
		return nil, err
	}
	var rows []refusalRow
	err := s.db.reader(ctx).NewSelect().Model(&rows).Where("r.job_id = ?", id).OrderExpr("r.seq").Limit(job.MaxRefused).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading a job's refused rows: %w", translate(err))
	}
	refused := make([]job.Refused, len(rows))
	for i, r := range rows {
		refused[i] = job.Refused{Problem: job.Problem{Line: r.Line, Column: r.Column, Text: r.Text}, Row: r.Row}
	}
	return refused, nil
}
