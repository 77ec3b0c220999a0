package simulate

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"ampra/core/credential"
	"ampra/core/idempotency"
)

const (
	requestTimeout = 30 * time.Second
	maxAnswer      = 32 << 20
	pageSize       = 1000 // the most that the server gives at once
)

// client speaks with the server's REST interface as a user's script does.
type client struct {
	base  *url.URL
	http  *http.Client
	token credential.Secret
	// patience is how long a request that fails in passing is tried again.
	patience time.Duration
}

func newClient(base string, token credential.Secret, patience time.Duration) (*client, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("the server's URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("the server's URL must begin with http:// or https:// and name a host, not %q", base)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	return &client{base: u, http: &http.Client{Jar: jar, Timeout: requestTimeout}, token: token, patience: patience}, nil
}

// apiError is an answer that is no success: the server's problem document, or
// what can be said without one.
type apiError struct {
	Status     int                 `json:"status"`
	Title      string              `json:"title"`
	Detail     string              `json:"detail"`
	Message    string              `json:"message"`
	RequestID  string              `json:"requestId"`
	Errors     map[string][]string `json:"errors"`
	RetryAfter time.Duration       `json:"-"`
	// Call is the request's method and path.
	Call string `json:"-"`
}

// Error is what the server said, field by field where it named fields.
func (e *apiError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d", e.Call, e.Status)
	text := e.Detail
	if text == "" {
		text = e.Message
	}
	if text == "" {
		text = e.Title
	}
	if text != "" {
		b.WriteString(": " + text)
	}
	if len(e.Errors) > 0 {
		named := make([]string, 0, len(e.Errors))
		for _, field := range slices.Sorted(maps.Keys(e.Errors)) {
			named = append(named, field+" "+strings.Join(e.Errors[field], ", "))
		}
		said := strings.TrimSuffix(b.String(), ".")
		b.Reset()
		b.WriteString(said + ": " + strings.Join(named, "; "))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	return b.String()
}

// passing reports whether the same request may succeed later: the server is
// away, or asks to wait.
func passing(err error) (wait time.Duration, ok bool) {
	if e, is := errors.AsType[*apiError](err); is {
		return e.RetryAfter, e.Status == http.StatusTooManyRequests || e.Status >= 500 || claimed(err)
	}
	var network *url.Error
	return 0, errors.As(err, &network)
}

// claimed says that the same request was made before and has no answer yet. If
// its process was killed it never gets one: the server lets go of it after
// idempotency.Patience.
func claimed(err error) bool {
	e, is := errors.AsType[*apiError](err)
	return is && e.Status == http.StatusConflict && e.RetryAfter > 0
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.Status
	}
	return 0
}

// once makes one request. body is sent as JSON unless nil; into is filled from
// the answer unless nil.
func (c *client) once(ctx context.Context, method, path string, header http.Header, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	maps.Copy(request.Header, header)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if !c.token.IsZero() {
		request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &url.Error{Op: method, URL: path, Err: err}
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return problem(method+" "+path, answer, data)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	return nil
}

func problem(call string, answer *http.Response, data []byte) *apiError {
	e := &apiError{}
	if json.Unmarshal(data, e) != nil {
		e = &apiError{Title: http.StatusText(answer.StatusCode)}
	}
	e.Status, e.Call, e.RetryAfter = answer.StatusCode, call, retryAfter(answer.Header, time.Now())
	return e
}

// retryAfter reads the header: seconds or a date. 0 says nothing; an hour is the
// most.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, time.Hour)
	}
	if date, err := http.ParseTime(text); err == nil {
		return min(max(date.Sub(now), 0), time.Hour)
	}
	return 0
}

// call is once, tried again with patience while it fails in passing.
func (c *client) call(ctx context.Context, method, path string, header http.Header, body []byte, into any) error {
	begun := time.Now()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := c.once(ctx, method, path, header, body, into)
		wait, again := passing(err)
		wait = max(wait, pause)
		patience := c.patience
		if claimed(err) {
			patience += idempotency.Patience
		}
		if err == nil || !again || time.Since(begun)+wait > patience {
			return err
		}
		if waited := sleep(ctx, wait); waited != nil {
			return err
		}
	}
}

// sleep waits, or returns ctx's error when it has ended or ends before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type account struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// sign is a sign-in or sign-up. It is not tried again: a failure counts.
func (c *client) sign(ctx context.Context, path, email string, password credential.Secret) error {
	body, err := json.Marshal(account{Email: email, Password: password.Reveal()})
	if err != nil {
		return err
	}
	if err := c.once(ctx, http.MethodPost, path, nil, body, nil); err != nil {
		return err
	}
	if len(c.http.Jar.Cookies(c.base)) == 0 {
		return fmt.Errorf("signed in at %s, but its session only travels over HTTPS: use the server's https URL, or a token", c.base)
	}
	return nil
}

func (c *client) register(ctx context.Context, email string, password credential.Secret) error {
	return c.sign(ctx, "/api/auth/register", email, password)
}

func (c *client) login(ctx context.Context, email string, password credential.Secret) error {
	return c.sign(ctx, "/api/auth/login", email, password)
}

func (c *client) me(ctx context.Context) (email string, err error) {
	var user account
	err = c.once(ctx, http.MethodGet, "/api/auth/me", nil, nil, &user)
	return user.Email, err
}

// newSource is the request to create one.
type newSource struct {
	Name                   string  `json:"name"`
	Description            string  `json:"description"`
	ConnectionType         string  `json:"connectionType"`
	Latitude               float64 `json:"latitude"`
	Longitude              float64 `json:"longitude"`
	InstalledCapacityWatts float64 `json:"installedCapacityWatts"`
	Currency               string  `json:"currency"`
	InitialKwhPrice        float64 `json:"initialKwhPrice"`
}

// sourceAnswer is what of a source's answer matters here.
type sourceAnswer struct {
	ID                string `json:"id"`
	Name              string `json:"name"`
	ConnectionDetails *struct {
		MQTTBrokerHost *string `json:"mqttBrokerHost"`
		MQTTBrokerPort *int    `json:"mqttBrokerPort"`
		MQTTClientID   *string `json:"mqttClientId"`
		MQTTAPIKey     *string `json:"mqttApiKey"`
		MQTTTopic      *string `json:"mqttTopic"`
		WebhookURL     *string `json:"webhookUrl"`
		WebhookSecret  *string `json:"webhookSecret"`
	} `json:"connectionDetails"`
}

// create makes a source. However often it has to be asked, there is one.
func (c *client) create(ctx context.Context, source newSource) (sourceAnswer, error) {
	body, err := json.Marshal(source)
	if err != nil {
		return sourceAnswer{}, err
	}
	header := http.Header{"Idempotency-Key": {rand.Text()}}
	var answer sourceAnswer
	err = c.call(ctx, http.MethodPost, "/api/sunsources?includeConnectionDetails=true", header, body, &answer)
	if err == nil && (answer.ID == "" || answer.ConnectionDetails == nil) {
		err = errors.New("POST /api/sunsources: the answer has no id or no connection details")
	}
	return answer, err
}

// remove deletes a source. One that is gone already is no error: the answer to
// an earlier try may have been lost.
func (c *client) remove(ctx context.Context, id string) error {
	err := c.call(ctx, http.MethodDelete, "/api/sunsources/"+id, nil, nil, nil)
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

type page struct {
	Readings   []Reading `json:"readings"`
	NextCursor *string   `json:"nextCursor"`
}

// history calls each with the readings of a span, oldest first, page by page.
func (c *client) history(ctx context.Context, id string, from, to time.Time, each func(Reading)) error {
	query := url.Values{
		"from":  {from.UTC().Format(time.RFC3339Nano)},
		"to":    {to.UTC().Format(time.RFC3339Nano)},
		"limit": {strconv.Itoa(pageSize)},
		"order": {"asc"},
	}
	for {
		var p page
		if err := c.call(ctx, http.MethodGet, "/api/sunsources/"+id+"/telemetry?"+query.Encode(), nil, nil, &p); err != nil {
			return err
		}
		for i := range p.Readings {
			each(p.Readings[i])
		}
		if p.NextCursor == nil {
			return nil
		}
		if *p.NextCursor == query.Get("cursor") {
			return fmt.Errorf("reading %s: the next page's cursor is the same again", id)
		}
		query.Set("cursor", *p.NextCursor)
	}
}
