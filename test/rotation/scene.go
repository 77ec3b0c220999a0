package rotation

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// scene is one rotation and the connections of the old key.
type scene struct {
	*worker
	version byte
	key     string // the old one
	way     string
	// answered is when the API did; nil before.
	answered atomic.Pointer[time.Time]
	over     chan struct{}
	working  sync.WaitGroup

	mu    sync.Mutex
	open  []*device
	ended []time.Time // of sessions of the old key
	alive int         // sessions that were still there when they were given up
}

// add notes a connection to be closed at the end.
func (s *scene) add(d *device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, d)
}

// join signs in with the old key.
func (s *scene) join(ctx context.Context, receive int) (*device, error) {
	d, err := dial(ctx, s.cfg.Broker, receive)
	if err != nil {
		return nil, err
	}
	s.add(d)
	code, err := d.signIn(s.version, s.source.ClientID, s.key)
	if err == nil && code != 0 {
		err = &refused{code}
	}
	return d, err
}

// refused is a CONNACK that says no.
type refused struct{ code byte }

// Error says so.
func (r *refused) Error() string { return "the sign-in is refused" }

// watch follows a session to its end. What is published with the old key after the
// answer must not be acknowledged as taken: with talk it publishes all the time.
func (s *scene) watch(d *device, talk bool) {
	if talk {
		s.working.Go(func() {
			for d.send(d.publishPacket(s.source.Topic, s.payload())) == nil {
				select {
				case <-s.over:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	s.working.Go(func() { s.follow(d) })
}

// payload tells by its field whether it was made after the answer.
func (s *scene) payload() string {
	if s.answered.Load() != nil {
		return Late
	}
	return `{"acPowerWatts": 5}`
}

// Late is what is published with an old key once the API has answered. No query
// may ever find it.
const Late = `{"batteryVoltageVolts": 66}`

// follow reads until the session ends.
func (s *scene) follow(d *device) {
	deadline := time.Now().Add(2 * patience)
	for {
		_, _, err := d.read(deadline)
		if err == nil {
			continue
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			s.alive++ // we ended it
		} else {
			s.ended = append(s.ended, time.Now())
		}
		return
	}
}

// knock waits until the broker has closed its side of a connection, and then
// closes ours. What this program itself was kept waiting for by a busy machine is
// taken off, since the broker waits there as well.
func (s *scene) knock(d *device) {
	const pause = 2 * time.Millisecond
	defer d.close()
	var lag time.Duration
	for began := time.Now(); time.Since(began) < patience; {
		looked := time.Now()
		if !d.held() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ended = append(s.ended, looked.Add(-lag))
			return
		}
		rested := time.Now()
		<-time.After(pause)
		lag += time.Since(rested) - pause
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive++
}

// judge waits until all sessions of the old key are over, and notes the last one's
// end.
func (s *scene) judge(answered time.Time) {
	close(s.over)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.working.Wait()
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		s.close()
		<-done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var longest time.Duration
	for _, end := range s.ended {
		longest = max(longest, end.Sub(answered))
	}
	s.report.round(s, len(s.ended)+s.alive, longest)
	if s.alive > 0 {
		s.report.wrong(s, "a session of the old key did not end by itself")
	}
}

func (s *scene) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.open {
		d.close()
	}
}
