package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
)

// hookSources is how many sources send by webhook.
const hookSources = 1000

// connectionsFor is how many POSTs are under way at the same time: as many as it
// takes for 50,000 readings/s with an answer after 10 ms, and few enough that
// their readings find room in memory. A source keeps to one connection, so that
// their number divides the sources'.
func connectionsFor(each int) int {
	if each == 1 {
		return 500
	}
	return 50
}

// hookFleet is a number of sources that post over kept connections.
type hookFleet struct {
	meter
	sources []source
	ledgers []ledger
	// each is how many readings stand in one POST.
	each        int
	connections int
	address     string
}

func newHookFleet(address string, sources []source, each int) *hookFleet {
	return &hookFleet{
		meter: meter{wanted: make(chan chan sighting)}, sources: sources, ledgers: make([]ledger, len(sources)),
		each: each, connections: connectionsFor(each), address: address,
	}
}

// run sends as planned; see fleet.run. At rate 0 each connection posts as soon as
// the last one is answered.
func (f *hookFleet) run(ctx context.Context, p plan, warm func() error) error {
	sending, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	began := time.Now()
	var working sync.WaitGroup
	for w := range f.connections {
		working.Go(func() {
			if err := f.post(sending, p.rate, began, w); err != nil {
				stop(err)
			}
		})
	}
	err := pause(sending, p.warmup)
	if err == nil {
		err = warm()
	}
	if err == nil {
		f.begin(time.Now(), p.length)
		err = pause(sending, p.length)
	}
	if cause := context.Cause(sending); cause != nil {
		err = cause
	}
	stop(errOver)
	working.Wait()
	return err
}

var errOver = errors.New("the time is over")

// post sends every POST of its share, one after the other.
func (f *hookFleet) post(ctx context.Context, rate int, began time.Time, worker int) error {
	dialer := net.Dialer{Timeout: handshake}
	conn, err := dialer.DialContext(ctx, "tcp", f.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	var body, request []byte
	numbers := make([]int, f.each)
	macs := map[int]hash.Hash{}
	for i := worker; ctx.Err() == nil; i += f.connections {
		due := time.Now()
		if rate > 0 {
			due = began.Add(time.Duration(i) * time.Second * time.Duration(f.each) / time.Duration(rate))
			if wait := time.Until(due); wait > 0 && pause(ctx, wait) != nil {
				return nil
			}
		}
		at := i % len(f.sources)
		book, s := &f.ledgers[at], f.sources[at]
		if macs[at] == nil {
			macs[at] = hmac.New(sha256.New, []byte(s.key))
		}
		var stamp int64
		body, stamp = f.body(body[:0], book, numbers, due)
		request = appendRequest(request[:0], s.id, macs[at], body)
		_ = conn.SetDeadline(time.Now().Add(requestTime))
		if _, err := conn.Write(request); err != nil {
			return err
		}
		f.sent(s.id, stamp, due)
		status, err := readAnswer(answers)
		if err != nil {
			return fmt.Errorf("reading a webhook's answer: %w", err)
		}
		if status != http.StatusAccepted {
			return fmt.Errorf("a webhook was answered with %d", status)
		}
		for _, number := range numbers {
			book.acknowledge(number)
		}
		f.acknowledged(due, time.Now(), f.each)
	}
	return nil
}

// body writes one reading, or a list of the last f.each milliseconds'. The stamp
// is that of the last.
func (f *hookFleet) body(dst []byte, book *ledger, numbers []int, due time.Time) ([]byte, int64) {
	first := due.UnixMilli() - int64(f.each) + 1
	if f.each == 1 {
		number, stamp := book.begin(first)
		numbers[0] = number
		return appendReading(dst, stamp, number), stamp
	}
	var last int64
	for i := range numbers {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		number, stamp := book.begin(first + int64(i))
		numbers[i], last = number, stamp
		dst = appendReading(dst, stamp, number)
	}
	return append(dst, ']'), last
}

func appendRequest(dst []byte, id uuid.UUID, mac hash.Hash, body []byte) []byte {
	mac.Reset()
	mac.Write(body)
	var sum [sha256.Size]byte
	dst = append(dst, "POST /api/webhook/sunsource/"...)
	dst = append(dst, id.String()...)
	dst = append(dst, " HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nX-Webhook-Signature: sha256="...)
	dst = hex.AppendEncode(dst, mac.Sum(sum[:0]))
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// readAnswer reads an HTTP/1.1 answer with a Content-Length.
func readAnswer(r *bufio.Reader) (status int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("a status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	_, err = r.Discard(length)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return status, err
}

// books are the ledgers by source, to be read after run.
func (f *hookFleet) books() map[uuid.UUID]*ledger {
	all := make(map[uuid.UUID]*ledger, len(f.sources))
	for i, s := range f.sources {
		all[s.id] = &f.ledgers[i]
	}
	return all
}
