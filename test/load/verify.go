package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ampra/core/telemetry"
)

// finder gives readings back as a query does.
type finder func(ctx context.Context, span telemetry.Span) ([]telemetry.Reading, error)

// Bounds of looking for readings.
const (
	lookers   = 3
	pageSize  = 5000
	foundTime = 60 * time.Second
	// A reading is asked for after probeFirst, then at twice that and so on, but
	// every probeEvery at the least: each question costs what a reading costs.
	probeFirst = 2 * time.Millisecond
	probeEvery = 100 * time.Millisecond
)

// verify looks for every reading of the books until all that were acknowledged
// are found or foundTime is over, and counts.
func verify(ctx context.Context, find finder, books map[uuid.UUID]*ledger) (counts, error) {
	left := make([]uuid.UUID, 0, len(books))
	for id := range books {
		left = append(left, id)
	}
	for deadline := time.Now().Add(foundTime); ; {
		missing, err := look(ctx, find, books, left)
		if err != nil {
			return counts{}, err
		}
		if left = missing; len(left) == 0 || time.Now().After(deadline) {
			break
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return counts{}, err
		}
	}
	var sum counts
	for _, book := range books {
		sum.add(book.counts())
	}
	return sum, nil
}

// look goes through the readings of some sources and returns those of which not
// all are there.
func look(ctx context.Context, find finder, books map[uuid.UUID]*ledger, of []uuid.UUID) ([]uuid.UUID, error) {
	var mu sync.Mutex
	var missing []uuid.UUID
	var failed error
	var next atomic.Int64
	var working sync.WaitGroup
	for range lookers {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(of)); i = next.Add(1) - 1 {
				err := history(ctx, find, of[i], books[of[i]])
				mu.Lock()
				failed = errors.Join(failed, err)
				over := failed != nil
				if books[of[i]].counts().lost() > 0 {
					missing = append(missing, of[i])
				}
				mu.Unlock()
				if over {
					return
				}
			}
		})
	}
	working.Wait()
	return missing, failed
}

// history reads all of a source's readings into its book.
func history(ctx context.Context, find finder, id uuid.UUID, book *ledger) error {
	book.search()
	from, to := book.span()
	for from < to {
		page, err := find(ctx, telemetry.Span{
			SourceID: id, From: time.UnixMilli(from), To: time.UnixMilli(to), Order: telemetry.OldestFirst, Limit: pageSize,
		})
		if err != nil {
			return fmt.Errorf("reading a history: %w", err)
		}
		for _, r := range page {
			value, _ := r.Values.Get(telemetry.ACPowerWatts)
			book.find(r.Timestamp.UnixMilli(), value)
		}
		if len(page) < pageSize {
			return nil
		}
		from = page[len(page)-1].Timestamp.UnixMilli() + 1
	}
	return nil
}

// probes measure how long it takes until a reading can be queried: each takes a
// reading that was just sent and asks for it until it is there.
type probes struct {
	times   histogram
	missed  atomic.Int64
	stop    context.CancelFunc
	working sync.WaitGroup
	found   chan struct{} // closed with the first that was found
	once    sync.Once
	meter   *meter
}

// startProbes begins.
func startProbes(ctx context.Context, n int, m *meter, find finder) *probes {
	p := &probes{found: make(chan struct{}), meter: m}
	ctx, p.stop = context.WithCancel(ctx)
	for range n {
		p.working.Go(func() {
			for ctx.Err() == nil {
				p.one(ctx, find)
			}
		})
	}
	return p
}

func (p *probes) one(ctx context.Context, find finder) {
	give := make(chan sighting, 1)
	select {
	case p.meter.wanted <- give:
	case <-ctx.Done():
		return
	}
	var s sighting
	select {
	case s = <-give:
	case <-ctx.Done():
		return
	}
	wait := probeFirst
	for deadline := time.Now().Add(foundTime); ; wait = min(2*wait, probeEvery) {
		page, err := find(ctx, telemetry.Span{
			SourceID: s.source, From: time.UnixMilli(s.stamp), To: time.UnixMilli(s.stamp + 1), Order: telemetry.OldestFirst, Limit: 1,
		})
		switch {
		case err == nil && len(page) == 1:
			if p.meter.counts(s.due) {
				p.times.add(time.Since(s.due))
			}
			p.once.Do(func() { close(p.found) })
			return
		case time.Now().After(deadline):
			p.missed.Add(1)
			return
		case pause(ctx, wait) != nil:
			return
		}
	}
}

func (p *probes) end() {
	p.stop()
	p.working.Wait()
}

// visitor is a signed-in user of the REST interface.
type visitor struct {
	base string
	http *http.Client
}

func signIn(ctx context.Context, base, email string) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{base: base, http: &http.Client{Jar: jar, Timeout: requestTime}}
	body, err := json.Marshal(map[string]string{"email": email, "password": ownerPassword})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/auth/login", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := v.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("signing in: %s", answer.Status)
	}
	return v, nil
}

// find is a finder by the REST interface, of spans with few readings.
func (v *visitor) find(ctx context.Context, span telemetry.Span) ([]telemetry.Reading, error) {
	query := url.Values{
		"from": {span.From.UTC().Format(time.RFC3339Nano)}, "to": {span.To.UTC().Format(time.RFC3339Nano)}, "limit": {"1"},
	}
	body, err := get(ctx, v.http, v.base+"/api/sunsources/"+span.SourceID.String()+"/telemetry?"+query.Encode())
	if err != nil {
		return nil, err
	}
	var page struct {
		Readings []struct {
			Timestamp    time.Time `json:"timestamp"`
			ACPowerWatts float64   `json:"acPowerWatts"`
		} `json:"readings"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	all := make([]telemetry.Reading, len(page.Readings))
	for i, r := range page.Readings {
		all[i].SourceID, all[i].Timestamp = span.SourceID, r.Timestamp
		all[i].Values.Set(telemetry.ACPowerWatts, r.ACPowerWatts)
	}
	return all, nil
}
