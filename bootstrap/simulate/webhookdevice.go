package simulate

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"ampra/core/credential"
)

const (
	webhookBatch    = 200       // readings in a request at the most
	webhookBytes    = 512 << 10 // and bytes: half of what the server takes
	signatureLife   = 4 * time.Minute
	webhookMaxPause = 5 * time.Second
)

// webhookDevice posts signed JSON: what has gathered since the last answer goes
// as one list, so that a slow device sends readings one by one and a fast one in
// batches. It signs in the Standard Webhooks form and in the plain one by turns.
type webhookDevice struct {
	url     string
	secret  credential.Secret
	http    *http.Client
	problem func(error)
	slots   chan struct{}
	wake    chan struct{}
	ended   chan struct{}

	mu      sync.Mutex
	waiting []hookMessage
	over    bool
}

type hookMessage struct {
	payload []byte
	answer  func(error)
}

func newWebhookDevice(client *http.Client, url string, secret credential.Secret, problem func(error)) *webhookDevice {
	return &webhookDevice{
		url: url, secret: secret, http: client, problem: problem,
		slots: make(chan struct{}, 2*webhookBatch),
		wake:  make(chan struct{}, 1),
		ended: make(chan struct{}),
	}
}

// Send puts a reading into the next request.
func (d *webhookDevice) Send(ctx context.Context, payload []byte, answer func(error)) error {
	select {
	case d.slots <- struct{}{}:
	case <-d.ended:
		return errUnanswered
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		<-d.slots
		return errUnanswered
	}
	d.waiting = append(d.waiting, hookMessage{payload, answer})
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return nil
}

// Run posts until ctx ends.
func (d *webhookDevice) Run(ctx context.Context) error {
	defer d.finish()
	for n := 0; ; n++ {
		batch := d.take(ctx)
		if batch == nil {
			return nil
		}
		err := d.deliver(ctx, batch, n%2 == 0)
		if err == nil {
			continue
		}
		for _, m := range batch {
			d.answered(m, err)
		}
		if isUnanswered(err) {
			return nil
		}
		if status := statusOf(err); status == http.StatusUnauthorized || status == http.StatusNotFound || status == http.StatusConflict {
			return fmt.Errorf("the webhook takes nothing: %w", err)
		}
	}
}

// take waits for something to send; nil when ctx ended.
func (d *webhookDevice) take(ctx context.Context) []hookMessage {
	for {
		d.mu.Lock()
		size, n := 0, 0
		for n < len(d.waiting) && n < webhookBatch && (n == 0 || size+len(d.waiting[n].payload) < webhookBytes) {
			size += len(d.waiting[n].payload) + 1
			n++
		}
		batch := d.waiting[:n:n]
		d.waiting = d.waiting[n:]
		d.mu.Unlock()
		if n > 0 {
			return batch
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *webhookDevice) answered(m hookMessage, err error) {
	m.answer(err)
	<-d.slots
}

func (d *webhookDevice) finish() {
	d.mu.Lock()
	d.over = true
	left := d.waiting
	d.waiting = nil
	d.mu.Unlock()
	close(d.ended)
	for _, m := range left {
		d.answered(m, errUnanswered)
	}
}

// deliver posts one batch until there is an answer that stays, and answers for
// each reading. An error says that none was taken, or, for errUnanswered, that
// nobody knows.
func (d *webhookDevice) deliver(ctx context.Context, batch []hookMessage, standard bool) error {
	body := listOf(batch)
	id, signedAt := "msg_"+rand.Text(), time.Now()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, webhookMaxPause) {
		if time.Since(signedAt) > signatureLife { // too old to be taken soon
			signedAt = time.Now()
		}
		answer, err := d.post(ctx, body, id, signedAt, standard)
		if err == nil {
			if err = answer.covers(len(batch)); err != nil {
				return err
			}
			for i, m := range batch {
				d.answered(m, answer.reason(i))
			}
			return nil
		}
		wait, again := passing(err)
		if ctx.Err() != nil {
			return errUnanswered
		}
		if !again {
			return err
		}
		d.problem(fmt.Errorf("webhook: %w", err))
		if sleep(ctx, max(wait, pause)) != nil {
			return errUnanswered
		}
	}
}

func listOf(batch []hookMessage) []byte {
	if len(batch) == 1 {
		return batch[0].payload
	}
	body := []byte{'['}
	for i, m := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, m.payload...)
	}
	return append(body, ']')
}

// hookAnswer is the body of a 202.
type hookAnswer struct {
	Accepted *int `json:"accepted"`
	Rejected []struct {
		Index  int    `json:"index"`
		Reason string `json:"reason"`
	} `json:"rejected"`
}

// covers checks that the answer speaks of each of n readings once.
func (a hookAnswer) covers(n int) error {
	if a.Accepted == nil {
		return errors.New("webhook: the answer does not say how many were accepted")
	}
	indexes := map[int]bool{}
	for _, r := range a.Rejected {
		indexes[r.Index] = r.Index >= 0 && r.Index < n
	}
	if *a.Accepted+len(indexes) != n {
		return fmt.Errorf("webhook: of %d readings the answer accepts %d and rejects %d", n, *a.Accepted, len(indexes))
	}
	return nil
}

// reason is why the i-th reading was rejected, nil when it was accepted.
func (a hookAnswer) reason(i int) error {
	for _, r := range a.Rejected {
		if r.Index == i {
			return errors.New("rejected: " + r.Reason)
		}
	}
	return nil
}

func (d *webhookDevice) post(ctx context.Context, body []byte, id string, at time.Time, standard bool) (hookAnswer, error) {
	var answer hookAnswer
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return answer, fmt.Errorf("the webhook's URL: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if err := d.sign(request.Header, body, id, at, standard); err != nil {
		return answer, err
	}
	response, err := d.http.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode != http.StatusAccepted {
		return answer, problem("POST webhook", response, data)
	}
	if err == nil {
		err = json.Unmarshal(data, &answer)
	}
	if err != nil {
		// It was taken, but by how much is not known: sending it again is safe.
		return answer, &apiError{Status: http.StatusBadGateway, Call: "POST webhook", Title: "the answer can't be read: " + err.Error()}
	}
	return answer, nil
}

func (d *webhookDevice) sign(header http.Header, body []byte, id string, at time.Time, standard bool) error {
	if !standard {
		signature, ok := credential.SignPlain(d.secret, body)
		if !ok {
			return errors.New("the webhook's secret can't be used as a key")
		}
		header.Set("X-Webhook-Signature", signature)
		return nil
	}
	signature, ok := credential.SignStandard(d.secret, id, at, body)
	if !ok {
		return errors.New("the webhook's secret can't be used as a key")
	}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	header.Set("webhook-signature", signature)
	return nil
}
