package rotation

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// play is a way in which devices use a key while it is rotated.
type play struct {
	name string
	// begin returns when the rotation may come.
	begin func(ctx context.Context, s *scene) error
	// after is called once the API has answered; nil for nothing.
	after func(ctx context.Context, s *scene) error
}

func plays() []play {
	return []play{
		{name: "idle", begin: idle},
		{name: "publishing", begin: publishing},
		{name: "publishing after the answer", begin: idle, after: speaks},
		{name: "signing in again and again", begin: storm},
		{name: "signing in at the moment of the rotation", begin: atTheMoment},
		{name: "stopped reading", begin: stopped, after: wakes},
		{name: "half a CONNECT, byte by byte to its end after the answer", begin: half, after: rest},
		{name: "CONNECT byte by byte during the rotation", begin: dripping},
		{name: "a whole CONNECT whose answer is not read", begin: deaf},
	}
}

// idle is a session that does nothing.
func idle(ctx context.Context, s *scene) error {
	d, err := s.join(ctx, 0)
	if err != nil {
		return err
	}
	s.watch(d, false)
	return nil
}

// publishing is a session that publishes all the time.
func publishing(ctx context.Context, s *scene) error {
	d, err := s.join(ctx, 0)
	if err != nil {
		return err
	}
	s.watch(d, true)
	return nil
}

// speaks publishes for the first time after the answer.
func speaks(_ context.Context, s *scene) error {
	s.mu.Lock()
	d := s.open[0]
	s.mu.Unlock()
	_ = d.send(d.publishPacket(s.source.Topic, Late)) // the connection may be gone
	return nil
}

// gone reports whether an error is the end of a connection by the broker, which
// may come at any moment here.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// again signs in once more with the old key and watches. It reports whether it
// makes sense to go on.
func again(ctx context.Context, s *scene) (goOn bool, err error) {
	d, err := s.join(ctx, 0)
	no := &refused{}
	switch {
	case err == nil:
		s.watch(d, false)
		return true, nil
	case errors.As(err, &no):
		if s.answered.Load() != nil || no.code == 4 || no.code == 5 || no.code == 0x86 || no.code == 0x87 {
			return false, nil
		}
		return true, nil
	case gone(err): // another one has taken the session over, or it was cut off
		return true, nil
	}
	return false, err
}

// storm is three devices that sign in again and again with the same key, until
// they are refused.
func storm(ctx context.Context, s *scene) error {
	first := make(chan struct{}, 3)
	for range 3 {
		s.working.Go(func() {
			for {
				goOn, err := again(ctx, s)
				select {
				case first <- struct{}{}:
				default:
				}
				if err != nil {
					s.report.wrong(s, "signing in: "+err.Error())
				}
				if err != nil || !goOn || ctx.Err() != nil {
					return
				}
			}
		})
	}
	<-first
	return nil
}

// atTheMoment sends CONNECT in the milliseconds in which the key is rotated.
func atTheMoment(ctx context.Context, s *scene) error {
	for range 4 {
		pause := time.Duration(s.rand.IntN(6000)) * time.Microsecond
		d, err := dial(ctx, s.cfg.Broker, 0)
		if err != nil {
			return err
		}
		s.add(d)
		s.working.Go(func() {
			<-time.After(pause)
			code, err := d.signIn(s.version, s.source.ClientID, s.key)
			if err == nil && code == 0 {
				s.follow(d)
			}
		})
	}
	return nil
}

// stopped is a session that has a lot to read and reads nothing.
func stopped(ctx context.Context, s *scene) error {
	d, err := s.join(ctx, 2048)
	if err != nil {
		return err
	}
	if err := d.subscribe("sunsource/" + s.source.ID + "/#"); err != nil {
		return err
	}
	large := `{"acPowerWatts": 5, "note": "` + strings.Repeat("-", 8000) + `"}`
	full := make(chan struct{})
	s.working.Go(func() {
		for range 40 {
			if d.send(d.publishPacket(s.source.Topic, large)) != nil {
				break
			}
		}
		close(full)
		// Whatever of this is taken after the answer is found in the end.
		for d.send(d.publishPacket(s.source.Topic, s.payload())) == nil {
			<-time.After(time.Millisecond)
		}
	})
	select { // the broker may take no more before that
	case <-full:
	case <-time.After(20 * time.Millisecond):
	}
	return nil
}

// wakes goes on without reading. The end of its session stands behind all that it
// has not read, so it is looked for at the broker's side.
func wakes(_ context.Context, s *scene) error {
	s.mu.Lock()
	d := s.open[0]
	s.mu.Unlock()
	s.working.Go(func() { s.knock(d) })
	return nil
}

// half sends the first half of a CONNECT.
func half(ctx context.Context, s *scene) error {
	d, err := dial(ctx, s.cfg.Broker, 0)
	if err != nil {
		return err
	}
	s.add(d)
	d.version = s.version
	whole := connectPacket(s.version, s.source.ClientID, s.key)
	return d.send(whole[:len(whole)/2])
}

// rest sends the rest of it, and is refused.
func rest(_ context.Context, s *scene) error {
	s.mu.Lock()
	d := s.open[0]
	s.mu.Unlock()
	whole := connectPacket(s.version, s.source.ClientID, s.key)
	for i := len(whole) / 2; i < len(whole); i++ {
		if d.send(whole[i:i+1]) != nil {
			break // it is closed: the answer shows
		}
	}
	if code, err := d.welcome(); err == nil && code == 0 {
		s.report.wrong(s, "a CONNECT that ends after the answer is taken")
	}
	return nil
}

// dripping sends a CONNECT byte by byte all through the rotation.
func dripping(ctx context.Context, s *scene) error {
	for range 3 {
		d, err := dial(ctx, s.cfg.Broker, 0)
		if err != nil {
			return err
		}
		s.add(d)
		d.version = s.version
		whole := connectPacket(s.version, s.source.ClientID, s.key)
		pause := time.Duration(20+s.rand.IntN(60)) * time.Microsecond
		s.working.Go(func() {
			for i := range whole {
				if d.send(whole[i:i+1]) != nil {
					return
				}
				<-time.After(pause)
			}
			if code, err := d.welcome(); err == nil && code == 0 {
				s.follow(d)
			}
		})
	}
	return nil
}

// deaf sends CONNECT and reads nothing before the answer of the API: whether it
// was taken shows only then.
func deaf(ctx context.Context, s *scene) error {
	d, err := dial(ctx, s.cfg.Broker, 2048)
	if err != nil {
		return err
	}
	s.add(d)
	d.version = s.version
	if err := d.send(connectPacket(s.version, s.source.ClientID, s.key)); err != nil {
		return err
	}
	s.working.Go(func() {
		<-s.over
		if code, err := d.welcome(); err == nil && code == 0 {
			s.follow(d)
		}
	})
	return nil
}
