package webhook

import (
	"strconv"

	"github.com/go-json-experiment/json"

	"ampra/modules/telemetry/ingest"
)

// receipt is the answer to a request that was taken.
type receipt struct {
	Accepted int         `json:"accepted"`
	Rejected []rejection `json:"rejected"`
	Warnings []warning   `json:"warnings"`
}

type rejection struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

type warning struct {
	Index  int    `json:"index"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

func receiptOf(r ingest.Receipt) receipt {
	answer := receipt{Accepted: r.Accepted, Rejected: make([]rejection, len(r.Rejected)), Warnings: make([]warning, len(r.Warnings))}
	for i, one := range r.Rejected {
		answer.Rejected[i] = rejection(one)
	}
	for i, one := range r.Warnings {
		answer.Warnings[i] = warning(one)
	}
	return answer
}

// encode writes the answer; mostly there is nothing to say but a number.
func encode(r ingest.Receipt) ([]byte, error) {
	if len(r.Rejected) > 0 || len(r.Warnings) > 0 {
		return json.Marshal(receiptOf(r))
	}
	body := append(make([]byte, 0, 64), `{"accepted":`...)
	body = strconv.AppendInt(body, int64(r.Accepted), 10)
	return append(body, `,"rejected":[],"warnings":[]}`...), nil
}

// unreadable is the problem of a request of which nothing could be taken: it
// also says why for each reading.
type unreadable struct {
	cause   error
	receipt receipt
}

// Error gives the cause.
func (u *unreadable) Error() string { return u.cause.Error() }

// Unwrap gives the fault.
func (u *unreadable) Unwrap() error { return u.cause }

// Members adds the reasons to the problem.
func (u *unreadable) Members() map[string]any {
	return map[string]any{"rejected": u.receipt.Rejected, "warnings": u.receipt.Warnings}
}
