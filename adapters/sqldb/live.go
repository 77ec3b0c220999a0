package sqldb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"ampra/core/device"
	"ampra/core/live"
)

// liveChannel carries live events, beside the change feed and without its
// promises: who does not listen has missed them.
const liveChannel = "ampra_live"

// maxNotice is how much a notification may hold: PostgreSQL takes less than 8,000
// bytes.
const maxNotice = 7900

var _ live.Bus = (*LiveBus)(nil)

// LiveBusDeps are what a LiveBus needs beside its database.
type LiveBusDeps struct {
	Log *slog.Logger
}

// LiveBus carries live events between processes by PostgreSQL's notifications.
type LiveBus struct {
	db *DB
	d  LiveBusDeps
}

// NewLiveBus returns the bus of a PostgreSQL database.
func NewLiveBus(db *DB, d LiveBusDeps) *LiveBus { return &LiveBus{db, d} }

// notice is an event on its way.
type notice struct {
	Kind     live.Kind         `json:"k"`
	SourceID uuid.UUID         `json:"s,omitzero"`
	Subject  uuid.UUID         `json:"u,omitzero"`
	At       time.Time         `json:"t,omitzero"`
	State    *device.Change    `json:"c,omitzero"`
	Attempt  *device.Attempt   `json:"a,omitzero"`
	Job      *live.JobProgress `json:"j,omitzero"`
}

func encodeNotice(e live.Event) ([]byte, error) {
	return json.Marshal(notice{
		Kind: e.Kind, SourceID: e.SourceID, Subject: e.Subject, At: e.At, State: e.State, Attempt: e.Attempt, Job: e.Job,
	})
}

func decodeNotice(text string) (live.Event, error) {
	var n notice
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return live.Event{}, fmt.Errorf("reading a live event: %w", err)
	}
	return live.Event{
		Kind: n.Kind, SourceID: n.SourceID, Subject: n.Subject, At: n.At, State: n.State, Attempt: n.Attempt, Job: n.Job,
	}, nil
}

// Send implements live.Bus, with one statement for all events.
func (b *LiveBus) Send(ctx context.Context, events []live.Event) error {
	texts := make([]string, 0, len(events))
	for _, e := range events {
		text, err := encodeNotice(e)
		if err != nil {
			return fmt.Errorf("encoding a live event: %w", err)
		}
		if len(text) > maxNotice {
			b.d.Log.WarnContext(ctx, "a live event is too large to be told", "kind", e.Kind, "source", e.SourceID, "bytes", len(text))
			continue
		}
		texts = append(texts, string(text))
	}
	if len(texts) == 0 {
		return nil
	}
	list, err := json.Marshal(texts)
	if err != nil {
		return fmt.Errorf("encoding live events: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = b.db.write.ExecContext(ctx,
		"select pg_notify(?, value) from json_array_elements_text(?::json) with ordinality as e(value, n) order by n", liveChannel, string(list))
	if err != nil {
		return fmt.Errorf("sending live events: %w", translate(err))
	}
	return nil
}

// aliveEvery is how often a connection that hears nothing is asked whether it
// lives.
const aliveEvery = 10 * time.Second

// Listen implements live.Bus, on a connection of its own.
func (b *LiveBus) Listen(ctx context.Context, began func(), heard func(live.Event)) error {
	const first, most = 50 * time.Millisecond, 2 * time.Second
	pause := first
	for {
		started := time.Now()
		err := b.listen(ctx, began, heard)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whoever ends the context wants the end, not its error
		}
		if time.Since(started) > most {
			pause = first // it was well in between
		}
		if pause == first {
			b.d.Log.WarnContext(ctx, "live events of other processes do not arrive, it will be tried again", "error", err)
		}
		if !wait(ctx, pause) {
			return nil
		}
		pause = min(2*pause, most)
	}
}

func (b *LiveBus) listen(ctx context.Context, began func(), heard func(live.Event)) (err error) {
	config := b.db.pg.Copy()
	config.RuntimeParams["application_name"] = "ampra live"
	connecting, cancel := context.WithTimeout(ctx, aliveEvery)
	defer cancel()
	conn, err := pgx.ConnectConfig(connecting, config)
	if err != nil {
		return fmt.Errorf("connecting to listen: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	if _, err := conn.Exec(connecting, "listen "+liveChannel); err != nil {
		return fmt.Errorf("listening for live events: %w", err)
	}
	began()
	for {
		if err := b.hear(ctx, conn, heard); err != nil {
			return err
		}
	}
}

// hear waits for one notification, or asks whether the connection lives.
func (b *LiveBus) hear(ctx context.Context, conn *pgx.Conn, heard func(live.Event)) error {
	waiting, cancel := context.WithTimeout(ctx, aliveEvery)
	defer cancel()
	notification, err := conn.WaitForNotification(waiting)
	switch {
	case err == nil:
		e, err := decodeNotice(notification.Payload)
		if err != nil {
			b.d.Log.WarnContext(ctx, "a live event is not understood", "error", err)
			return nil
		}
		heard(e)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case waiting.Err() == nil:
		return fmt.Errorf("listening for live events: %w", err)
	}
	asking, cancel := context.WithTimeout(ctx, aliveEvery/2)
	defer cancel()
	if err := conn.Ping(asking); err != nil {
		return fmt.Errorf("asking whether the connection lives: %w", err)
	}
	return nil
}
