package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"ampra/core/credential"
)

// hookSender posts signed JSON: what has gathered since the last answer as one
// list. It signs in both forms by turns, unless it is plain.
type hookSender struct {
	url, name string
	secret    credential.Secret
	plain     bool
	client    *http.Client
	troubles  *troubles
	waiting   chan posted
}

type posted struct {
	reading reading
	done    func()
}

// hookBatch is how many readings a POST has at the most.
const hookBatch = 20

func newHookSender(url, name string, secret credential.Secret, plain bool, t *troubles) *hookSender {
	return &hookSender{
		url: url, name: name, secret: secret, plain: plain, troubles: t, waiting: make(chan posted, 2*hookBatch),
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
	}
}

func (s *hookSender) send(ctx context.Context, r reading, done func()) error {
	select {
	case s.waiting <- posted{r, done}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *hookSender) run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	for n := 0; ; n++ {
		var batch []posted
		select {
		case p := <-s.waiting:
			batch = append(batch, p)
		case <-ctx.Done():
			return nil
		}
		for len(batch) < hookBatch && len(s.waiting) > 0 {
			batch = append(batch, <-s.waiting)
		}
		if err := s.deliver(ctx, batch, n%2 == 0 && !s.plain); err != nil {
			return err
		}
	}
}

// deliver posts until it is accepted or ctx ends (nil). An error is a refusal.
func (s *hookSender) deliver(ctx context.Context, batch []posted, standard bool) error {
	body := []byte{'['}
	for i, p := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, p.reading.payload()...)
	}
	body = append(body, ']')
	id := "msg_" + rand.Text()
	for wait := 50 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, time.Second) {
		status, answer, err := s.post(ctx, body, id, standard)
		switch {
		case err != nil:
			s.troubles.passing.Add(1)
		case status == http.StatusAccepted:
			if !bytes.Contains(answer, []byte(`"accepted":`+strconv.Itoa(len(batch)))) {
				return fmt.Errorf("of %d readings: %s", len(batch), answer)
			}
			for _, p := range batch {
				p.done()
			}
			return nil
		case status == http.StatusServiceUnavailable:
			s.troubles.unavailable.Add(1)
		case status == http.StatusTooManyRequests:
			s.troubles.slowed.Add(1)
		case status >= 500:
			s.troubles.complain("%s: a webhook was answered with %d: %s", s.name, status, answer)
		default:
			return fmt.Errorf("answered with %d: %s", status, answer)
		}
		_ = pause(ctx, wait)
	}
	return nil
}

func (s *hookSender) post(ctx context.Context, body []byte, id string, standard bool) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	now := time.Now()
	if standard {
		signature, _ := credential.SignStandard(s.secret, id, now, body)
		request.Header.Set("webhook-id", id)
		request.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
		request.Header.Set("webhook-signature", signature)
	} else {
		signature, _ := credential.SignPlain(s.secret, body)
		request.Header.Set("X-Webhook-Signature", signature)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, answer, err
}
