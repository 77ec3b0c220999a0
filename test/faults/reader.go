package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// reader reads histories back as their owner does: by the REST interface, page by
// page.
type reader struct {
	base string
	http *http.Client
	// email and password sign in anew when the session is over.
	email, password string
}

func newReader(base, email, password string) (*reader, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &reader{base: base, email: email, password: password, http: &http.Client{Jar: jar, Timeout: 15 * time.Second}}, nil
}

// statusError is an answer other than 200.
type statusError struct {
	status int
	text   string
}

func (e statusError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.text) }

func (r *reader) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = statusError{answer.StatusCode, string(text)}
	}
	return text, err
}

// get asks until there is an answer or patience is over, signing in where that is
// asked for.
func (r *reader) get(ctx context.Context, path string) ([]byte, error) {
	for deadline := time.Now().Add(patience); ; {
		text, err := r.do(ctx, http.MethodGet, path, nil)
		if status, ok := errors.AsType[statusError](err); ok && status.status == http.StatusUnauthorized {
			body, failed := json.Marshal(map[string]string{"email": r.email, "password": r.password})
			if failed != nil {
				return nil, failed
			}
			_, err = r.do(ctx, http.MethodPost, "/api/auth/login", body)
			if err == nil {
				continue
			}
		}
		if err == nil {
			return text, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("asking for %s: %w", path, err)
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return nil, err
		}
	}
}

// pageSize is odd, so that pages end at other places than batches.
const pageSize = 997

// list shows a book all readings of its source, and a day before and after them.
func (r *reader) list(ctx context.Context, id string, b *book, order string) error {
	from, to, any := b.span()
	if !any {
		return nil
	}
	b.listing()
	const around = 24 * time.Hour
	ask := url.Values{
		"from":  {time.UnixMilli(from).Add(-around).UTC().Format(time.RFC3339Nano)},
		"to":    {time.UnixMilli(to).Add(around).UTC().Format(time.RFC3339Nano)},
		"limit": {strconv.Itoa(pageSize)}, "order": {order},
	}
	for {
		text, err := r.get(ctx, "/api/sunsources/"+id+"/telemetry?"+ask.Encode())
		if err != nil {
			return err
		}
		var page struct {
			Readings []struct {
				Timestamp time.Time `json:"timestamp"`
				AC        float64   `json:"acPowerWatts"`
				Solar     float64   `json:"solarPowerWatts"`
				Load      float64   `json:"loadPowerWatts"`
			} `json:"readings"`
			NextCursor *string `json:"nextCursor"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return fmt.Errorf("reading a page: %w", err)
		}
		for _, one := range page.Readings {
			b.show(one.Timestamp.UnixMilli(), [3]int{int(one.AC), int(one.Solar), int(one.Load)})
		}
		if page.NextCursor == nil {
			return nil
		}
		ask.Set("cursor", *page.NextCursor)
	}
}

// listed are sources with their books.
type listed map[string]*book

// find lists all books until nothing is lost or findTime is over, and then once
// more in the other order, so that what shows up late is seen too.
func (r *reader) find(ctx context.Context, books listed, forgiveness time.Time) (verdict, error) {
	for deadline := time.Now().Add(findTime); ; {
		v, err := r.look(ctx, books, "asc", forgiveness)
		if err != nil {
			return v, err
		}
		if v.lost+v.forgiven == 0 || time.Now().After(deadline) {
			break
		}
		if v.lost == 0 && time.Now().After(deadline.Add(-findTime/2)) {
			break // what an outside broker lost does not come any more
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return v, err
		}
	}
	return r.look(ctx, books, "desc", forgiveness)
}

func (r *reader) look(ctx context.Context, books listed, order string, forgiveness time.Time) (verdict, error) {
	var (
		mu      sync.Mutex
		sum     verdict
		failed  error
		working sync.WaitGroup
		slots   = make(chan struct{}, 4)
	)
	for id, b := range books {
		slots <- struct{}{}
		working.Go(func() {
			defer func() { <-slots }()
			err := r.list(ctx, id, b, order)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			sum.add(b.judge(forgiveness))
		})
	}
	working.Wait()
	return sum, failed
}
