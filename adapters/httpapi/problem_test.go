package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"ampra/core/fault"
)

func TestEveryCodeHasItsStatusHoweverItIsWrapped(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]int{
		fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.Conflict: 409, fault.TooLarge: 413,
		fault.Unsupported: 415, fault.Mismatch: 422, fault.TooMany: 429, fault.Unavailable: 503, fault.Internal: 500, "unheard of": 500,
	} {
		cause := errors.New("the driver said something")
		err := fmt.Errorf("reading: %w", errors.Join(errors.New("besides"), fmt.Errorf("deeper: %w", fault.Wrap(code, cause, "What may be shown."))))
		p, retry := describe(err)
		if p.Status != want || strings.Contains(p.Detail, "driver") || strings.Contains(p.Detail, "besides") {
			t.Errorf("%s becomes %d %q, want %d", code, p.Status, p.Detail, want)
		}
		if (want != 500) != (p.Detail == "What may be shown.") {
			t.Errorf("%s shows %q", code, p.Detail)
		}
		if (retry > 0) != (want == 429 || want == 503) {
			t.Errorf("%s says to wait %s", code, retry)
		}
	}
}

func TestWhatIsNoFaultShowsNothing(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{
		errors.New("pq: password authentication failed for user ampra"):            500,
		fmt.Errorf("reading: %w", context.DeadlineExceeded):                        503,
		fmt.Errorf("reading: %w", context.Canceled):                                503,
		fiber.NewError(404, "Cannot GET /<script>"):                                404,
		fiber.NewError(418, "I was sent <script>"):                                 418,
		fmt.Errorf("x: %w", fiber.NewError(413, "body of 9 bytes: top secret")):    413,
		fault.Wrap(fault.Internal, errors.New("cause"), "An internal explanation"): 500,
	} {
		p, _ := describe(err)
		if p.Status != want {
			t.Errorf("%v becomes %d, want %d", err, p.Status, want)
		}
		for _, hidden := range []string{"password", "script", "secret", "reading", "internal explanation"} {
			if strings.Contains(p.Detail, hidden) {
				t.Errorf("%v shows %q", err, p.Detail)
			}
		}
	}
}

func TestAWaitIsRoundedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), map[string]func(*call) error{
		"GET /busy": func(*call) error { return fault.Retry(fault.TooMany, 1200*time.Millisecond, "Slow down.") },
		"GET /blip": func(*call) error { return fault.Retry(fault.Unavailable, time.Millisecond, "Again.") },
	})
	for path, want := range map[string]string{"/busy": "2", "/blip": "1"} {
		if response, _ := r.get(t, path); response.Header.Get("Retry-After") != want {
			t.Errorf("%s: Retry-After is %q, want %s", path, response.Header.Get("Retry-After"), want)
		}
	}
}

// detailed is an error with members of its own.
type detailed struct{ error }

func (detailed) Members() map[string]any {
	return map[string]any{"rejected": []int{1}, "warnings": []string{}}
}
func (d detailed) Unwrap() error { return d.error }

func TestAnErrorAddsMembersToItsProblem(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), map[string]func(*call) error{
		"GET /partly": func(*call) error {
			return fmt.Errorf("outer: %w", detailed{fault.New(fault.Invalid, "Nothing can be read.")})
		},
	})
	answer := r.raw(t, "GET /partly HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.Contains(answer, `"rejected":[1]`) || !strings.Contains(answer, `"warnings":[]`) || !strings.Contains(answer, `"status":400`) {
		t.Errorf("the problem is %s", answer)
	}
}

func TestReadinessNamesWhatIsAwayAndNotWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig(), nil)
	r.server.d.Ready = func(context.Context) map[string]error {
		return map[string]error{"archive": errors.New("dial mongodb://user:hush@10.0.0.1"), "records": nil}
	}
	answer := r.raw(t, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	response, _ := parse(t, answer)
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || !strings.Contains(answer, `"checks":{"archive":"away: it does not work","records":"ok"}`) ||
		strings.Contains(answer, "mongodb") {
		t.Errorf("the answer is %s", answer)
	}
}
