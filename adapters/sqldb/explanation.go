package sqldb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"ampra/core/telemetry"
)

var _ telemetry.Explanations = (*Explanations)(nil)

// Explanations keeps how sources' deliveries are understood.
type Explanations struct{ db *DB }

// NewExplanations returns the explanations in db.
func NewExplanations(db *DB) *Explanations { return &Explanations{db} }

// explainedJSON is a field as the column keeps it. All members always stand there:
// SQLite merges objects member by member.
type explainedJSON struct {
	Rule    string   `json:"rule"`
	From    []string `json:"from"`
	Assumed bool     `json:"assumed"`
	At      int64    `json:"at"` // unix milliseconds
}

type explanationJSON struct {
	ID     uuid.UUID                `json:"id"`
	Fields map[string]explainedJSON `json:"fields"`
}

// In the order of ids, so that no two processes wait for each other.
const (
	notePostgres = `insert into explanations (source_id, fields)
		select v.id, v.fields from jsonb_to_recordset(?::jsonb) as v(id uuid, fields jsonb) join sun_sources as s on s.id = v.id order by v.id
		on conflict (source_id) do update set fields = explanations.fields || excluded.fields`
	noteSQLite = `insert into explanations (source_id, fields)
		select s.id, json_extract(v.value, '$.fields') from json_each(?) as v join sun_sources as s on s.id = json_extract(v.value, '$.id') where true
		on conflict (source_id) do update set fields = json_patch(explanations.fields, excluded.fields)`
)

// Note lays fields over what was noted of the same sources, in one statement.
func (e *Explanations) Note(ctx context.Context, list []telemetry.Explanation) error {
	if len(list) == 0 {
		return nil
	}
	rows := make([]explanationJSON, len(list))
	for i, one := range list {
		rows[i] = explanationJSON{ID: one.SourceID, Fields: make(map[string]explainedJSON, len(one.Fields))}
		for _, f := range one.Fields {
			rows[i].Fields[f.Field] = explainedJSON{Rule: f.Rule, From: storableNames(f.From), Assumed: f.Assumed, At: f.At.UnixMilli()}
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("noting how payloads are understood: %w", err)
	}
	query := noteSQLite
	if e.db.IsPostgres() {
		query = notePostgres
	}
	if _, err := e.db.conn(ctx).NewRaw(query, string(text)).Exec(ctx); err != nil {
		return fmt.Errorf("noting how payloads are understood: %w", translate(err))
	}
	return nil
}

// storableNames are names as both databases take them.
func storableNames(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = storable(name)
	}
	return list
}

// Explanation returns what was noted of a source.
func (e *Explanations) Explanation(ctx context.Context, source uuid.UUID) (telemetry.Explanation, error) {
	explanation := telemetry.Explanation{SourceID: source}
	var texts []jsonText
	err := e.db.reader(ctx).NewSelect().TableExpr("explanations as e").ColumnExpr("e.fields").Where("e.source_id = ?", source).Scan(ctx, &texts)
	if err != nil {
		return explanation, fmt.Errorf("reading how payloads are understood: %w", translate(err))
	}
	if len(texts) == 0 {
		return explanation, nil
	}
	var fields map[string]explainedJSON
	if err := json.Unmarshal(texts[0], &fields); err != nil {
		return explanation, fmt.Errorf("the explanation of source %s: %w", source, err)
	}
	for name, f := range fields {
		explanation.Fields = append(explanation.Fields, telemetry.Explained{
			Field: name, Rule: f.Rule, From: f.From, Assumed: f.Assumed, At: time.UnixMilli(f.At).UTC(),
		})
	}
	slices.SortFunc(explanation.Fields, func(a, b telemetry.Explained) int { return cmp.Compare(a.Field, b.Field) })
	return explanation, nil
}
