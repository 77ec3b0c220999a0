package kafka

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ampra/core/fault"
)

// retryAfter is when it makes sense to try again: a new leader is found in a few
// seconds.
const retryAfter = 2 * time.Second

// unavailable makes a fault that may pass of an error. An ended context stays in
// its chain.
func unavailable(cause error) error {
	return &fault.Error{
		Code: fault.Unavailable, Message: "The journal does not answer.", RetryAfter: retryAfter, Cause: cause,
	}
}

func stopping() error {
	return fault.Retry(fault.Unavailable, retryAfter, "The journal is stopping.")
}

// ofRecord reports whether Kafka refuses what it was sent, and would again. A wrong
// timestamp is not among it: a topic that somebody else made may refuse that of a
// clock that is ahead, and it is not the reading's fault.
func ofRecord(err error) bool {
	for _, refusal := range []kafka.Error{
		kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidMessageSize,
		kafka.InvalidRecord, kafka.UnsupportedForMessageFormat,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// answered makes an error of a code in a response.
func answered(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}

// outage says once that something does not work, and once that it does again.
type outage struct {
	log  *slog.Logger
	what string

	mu    sync.Mutex
	since time.Time
}

func (o *outage) failed(ctx context.Context, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = time.Now()
		o.log.WarnContext(ctx, "kafka does not answer", "part", o.what, "error", err)
	}
}

func (o *outage) worked(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		o.log.InfoContext(ctx, "kafka answers again", "part", o.what, "after", time.Since(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}

// backoff is how long to wait before another try, after so many failures.
func backoff(failures int) time.Duration {
	return min(50*time.Millisecond<<min(failures, 10), time.Second)
}

// pause waits for d and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
