package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/credential"
	"ampra/modules/identity"
	"ampra/test/fake"
)

// plainSealer seals nothing: what a box is worth is tested where it is made.
type plainSealer struct{}

func (plainSealer) CurrentKey() string { return "k" }

func (plainSealer) Seal(plain, associated []byte) (credential.Sealed, error) {
	return credential.Sealed{KeyID: "k", Box: slices.Concat(associated, plain)}, nil
}

func (plainSealer) Open(sealed credential.Sealed, associated []byte) ([]byte, error) {
	return sealed.Box[len(associated):], nil
}

// newOnceRig serves POST /once to a signed-in user.
func newOnceRig(t *testing.T, work func(c *call, n int) error) (r *rig, ask func(body string) string) {
	t.Helper()
	someone, calls := uuid.New(), 0
	r = newRig(t, testConfig(), map[string]func(*call) error{
		"POST /once": func(c *call) error {
			ctx, cancel := context.WithTimeout(c.ctx, 50*time.Millisecond)
			defer cancel()
			signedIn := &call{s: c.s, f: c.f, ctx: ctx, route: &Route{Method: http.MethodPost, Role: user}}
			signedIn.visitor = identity.Visitor{Actor: actor.Actor{UserID: someone, Role: actor.User}}
			return signedIn.once(func(c *call) error {
				calls++
				return work(c, calls)
			})
		},
	})
	r.server.d.Idempotency, r.server.d.Sealer = fake.NewRecords().Idempotency, plainSealer{}
	return r, func(key string) string {
		return r.raw(t, "POST /once HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nIdempotency-Key: "+key+"\r\n\r\n")
	}
}

func TestAPanicGivesTheKeyBack(t *testing.T) {
	t.Parallel()
	_, ask := newOnceRig(t, func(c *call, n int) error {
		if n == 1 {
			panic("once")
		}
		return c.answer(http.StatusCreated, n)
	})
	if first := ask("k"); !strings.HasPrefix(first, "HTTP/1.1 500") {
		t.Errorf("the first answer is %q", first)
	}
	if second := ask("k"); !strings.HasPrefix(second, "HTTP/1.1 201") || !strings.HasSuffix(second, "2") {
		t.Errorf("the second answer is %q", second)
	}
}

func TestAnAnswerIsKeptThoughItsTimeIsOver(t *testing.T) {
	t.Parallel()
	_, ask := newOnceRig(t, func(c *call, n int) error {
		<-c.ctx.Done() // done, but late
		return c.answer(http.StatusCreated, n)
	})
	first, again := ask("k"), ask("k")
	if !strings.HasPrefix(first, "HTTP/1.1 201") || !strings.HasPrefix(again, "HTTP/1.1 201") || !strings.HasSuffix(again, "1") ||
		!strings.Contains(again, "Idempotent-Replayed: true") {
		t.Errorf("the answers are %q and %q", first, again)
	}
}

func TestATimeThatIsOverGivesTheKeyBack(t *testing.T) {
	t.Parallel()
	_, ask := newOnceRig(t, func(c *call, n int) error {
		if n == 1 {
			<-c.ctx.Done()
			return c.ctx.Err()
		}
		return c.answer(http.StatusCreated, n)
	})
	if first := ask("k"); !strings.HasPrefix(first, "HTTP/1.1 503") {
		t.Errorf("the first answer is %q", first)
	}
	if second := ask("k"); !strings.HasPrefix(second, "HTTP/1.1 201") {
		t.Errorf("the second answer is %q", second)
	}
}
