package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"ampra/core/credential"
	"ampra/core/fault"
	"ampra/core/idempotency"
)

const (
	keyHeader   = "Idempotency-Key"
	maxKeyText  = 255
	settleTime  = 5 * time.Second
	pollAdvised = 2 * time.Second
)

// remembered is an answer as it is kept. It may hold secrets, so it is sealed.
type remembered struct {
	Status       int    `json:"status"`
	ContentType  string `json:"contentType"`
	Location     string `json:"location,omitzero"`
	CacheControl string `json:"cacheControl,omitzero"`
	Body         []byte `json:"body"`
}

// sealedAnswer is what the store keeps of it.
type sealedAnswer struct {
	KeyID string `json:"keyId"`
	Box   []byte `json:"box"`
}

// once calls the handler, or, when the request repeats an earlier one with the
// same Idempotency-Key, gives the answer that the earlier one got.
func (c *call) once(handle func(*call) error) error {
	if c.route.large() { // its body is not here yet: the handler asks when it is
		return handle(c)
	}
	return c.onceOf(func() []byte { return c.f.BodyRaw() }, handle)
}

// onceOf is once for a request whose body body stands for.
func (c *call) onceOf(body func() []byte, handle func(*call) error) error {
	text := c.header(keyHeader)
	if text == "" || c.route.Role == "" || c.f.Method() != http.MethodPost {
		return handle(c)
	}
	if !validKey(text) {
		c.wrong.Add(keyHeader, "must have 1 to 255 printable ASCII characters")
		return c.wrong.Err()
	}
	key := idempotency.Key{UserID: c.who().UserID, Method: http.MethodPost, Path: strings.Clone(c.f.Path()), Text: text}
	digest := c.digest(text, body())
	earlier, claimed, err := c.s.d.Idempotency.Claim(c.ctx, key, digest, c.s.d.Clock.Now())
	switch {
	case err != nil:
		return fmt.Errorf("claiming an idempotency key: %w", err)
	case claimed:
		return c.first(key, handle)
	case earlier.BodyDigest != digest:
		return fault.New(fault.Mismatch, "This Idempotency-Key was used with another body. Draw a new key for a new request.")
	case !earlier.Done:
		return fault.Retry(fault.Conflict, pollAdvised, "The first request with this Idempotency-Key is still under way.")
	default:
		return c.repeat(key, earlier.Sealed)
	}
}

func validKey(text string) bool {
	if len(text) > maxKeyText {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// digest stands for all that makes two requests to one path the same. A body may
// hold a password, which a plain digest in the store would let anybody guess at:
// so it is keyed with the text of the key, of which the store has a digest only.
func (c *call) digest(key string, body []byte) [sha256.Size]byte {
	query := c.f.Context().QueryArgs().QueryString()
	h := hmac.New(sha256.New, []byte(key))
	_, _ = fmt.Fprintf(h, "%d\n", len(query))
	_, _ = h.Write(query)
	_, _ = h.Write(body)
	return [sha256.Size]byte(h.Sum(nil))
}

// first does the work of a claimed key and remembers the answer, or gives the
// key back when another try may end otherwise.
func (c *call) first(key idempotency.Key, handle func(*call) error) error {
	settled := false
	defer func() {
		if !settled { // the handler panicked
			c.settle("releasing", func(ctx context.Context) error { return c.s.d.Idempotency.Release(ctx, key) })
		}
	}()
	if err := handle(c); err != nil {
		c.s.fail(c.f.Context(), err)
	}
	settled = true
	response := c.f.Response()
	if passing(response.StatusCode()) {
		c.settle("releasing", func(ctx context.Context) error { return c.s.d.Idempotency.Release(ctx, key) })
		return nil
	}
	answer := remembered{
		Status: response.StatusCode(), ContentType: string(response.Header.ContentType()),
		Location: string(response.Header.Peek("Location")), CacheControl: string(response.Header.Peek("Cache-Control")),
		Body: response.Body(),
	}
	c.settle("storing the answer of", func(ctx context.Context) error {
		sealed, err := c.seal(key, answer)
		if err != nil {
			return err
		}
		return c.s.d.Idempotency.Finish(ctx, key, sealed)
	})
	return nil
}

// passing reports whether the same request may get another answer later: then
// this one is not the answer for all time.
func passing(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusUnsupportedMediaType, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

// settle ends a claim, also when the request's time is over. The act is done
// either way, so that what goes wrong here is for the log only.
func (c *call) settle(what string, act func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), settleTime)
	defer cancel()
	if err := act(ctx); err != nil {
		c.s.d.Log.LogAttrs(ctx, slog.LevelError, "settling an idempotency key failed", slog.String("act", what),
			slog.String("requestId", c.s.requestID(c.f.Context())), slog.Any("error", err))
	}
}

// repeat gives the remembered answer.
func (c *call) repeat(key idempotency.Key, sealed []byte) error {
	answer, err := c.open(key, sealed)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "The first request with this Idempotency-Key was done, but its answer can't be read any more.")
	}
	c.f.Status(answer.Status).Context().SetContentType(answer.ContentType)
	c.f.Set("Idempotent-Replayed", "true")
	for name, value := range map[string]string{"Location": answer.Location, "Cache-Control": answer.CacheControl} {
		if value != "" {
			c.f.Set(name, value)
		}
	}
	return c.f.Send(answer.Body)
}

// bound is the data that ties a sealed answer to its key.
func bound(key idempotency.Key) []byte {
	return fmt.Appendf(nil, "ampra/idempotency/%s/%s/%d/%s/%s", key.UserID, key.Method, len(key.Path), key.Path, key.Text)
}

func (c *call) seal(key idempotency.Key, answer remembered) ([]byte, error) {
	plain, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	sealed, err := c.s.d.Sealer.Seal(plain, bound(key))
	if err != nil {
		return nil, fmt.Errorf("sealing an answer: %w", err)
	}
	return json.Marshal(sealedAnswer{KeyID: sealed.KeyID, Box: sealed.Box})
}

func (c *call) open(key idempotency.Key, sealed []byte) (remembered, error) {
	var stored sealedAnswer
	var answer remembered
	if err := json.Unmarshal(sealed, &stored); err != nil {
		return answer, fmt.Errorf("decoding a sealed answer: %w", err)
	}
	plain, err := c.s.d.Sealer.Open(credential.Sealed{KeyID: stored.KeyID, Box: stored.Box}, bound(key))
	if err != nil {
		return answer, fmt.Errorf("opening an answer: %w", err)
	}
	if err := json.Unmarshal(plain, &answer); err != nil {
		return answer, fmt.Errorf("decoding an answer: %w", err)
	}
	return answer, nil
}
