package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Times of the group. A member that was killed is missed after sessionTime; then
// the others share its partitions.
const (
	sessionTime   = 10 * time.Second
	heartbeatTime = 2 * time.Second
	rebalanceTime = 15 * time.Second
	joinPause     = time.Second
	watchTime     = 10 * time.Second
	// settleTime is how long, in a rebalance, batches in hand may be committed
	// still.
	settleTime = 2 * time.Second
	// leaveTime is how long a stop waits for an answer of Kafka.
	leaveTime = 2 * time.Second
)

// Run takes part in the writers' group until ctx ends, and leaves it, so that
// others go on at once. It returns an error only when it can't begin. It can run
// once.
func (l *Log) Run(ctx context.Context) error {
	l.mu.Lock()
	again := l.started
	l.started = true
	l.mu.Unlock()
	if again {
		return errors.New("the log runs already, or has stopped")
	}
	defer close(l.stopped)
	dialer := &groupDialer{dial: l.cluster.cfg.Dial, conns: map[net.Conn]struct{}{}}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: l.cluster.group(), Brokers: l.cluster.cfg.Brokers, Topics: []string{l.cluster.topic()},
		Dialer:            &kafka.Dialer{ClientID: "ampra", DialFunc: dialer.connect, Timeout: l.cluster.cfg.RequestTimeout},
		Timeout:           l.cluster.cfg.RequestTimeout,
		HeartbeatInterval: heartbeatTime, SessionTimeout: sessionTime, RebalanceTimeout: rebalanceTime, JoinGroupBackoff: joinPause,
		WatchPartitionChanges: true, PartitionWatchInterval: watchTime, StartOffset: kafka.FirstOffset,
	})
	if err != nil {
		return fmt.Errorf("joining the writers' group: %w", err)
	}
	for {
		generation, err := group.Next(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if !errors.Is(err, kafka.RebalanceInProgress) {
				l.outage.failed(ctx, err)
			}
			continue // the library pauses before it tries again
		}
		generation.Start(func(alive context.Context) { l.serve(ctx, alive, generation) })
	}
	// A group that hears nothing from Kafka would wait for its answers.
	impatience := time.AfterFunc(leaveTime, dialer.cut)
	defer impatience.Stop()
	if err := group.Close(); err != nil {
		return fmt.Errorf("leaving the writers' group: %w", err)
	}
	return nil
}

// serve reads the partitions of a generation until it ends.
func (l *Log) serve(stop, alive context.Context, generation *kafka.Generation) {
	ctx, cancel := context.WithCancel(stop)
	defer cancel()
	defer context.AfterFunc(alive, cancel)()
	s := newSession(l.cluster.topic(), generation)
	l.mu.Lock()
	l.current = s
	l.mu.Unlock()
	f := newFetcher(l, s, generation.Assignments[l.cluster.topic()])
	f.run(ctx)
	l.mu.Lock()
	l.current = nil
	l.mu.Unlock()
	s.settle(stop, settleTime)
	<-alive.Done() // a generation that we ended would be followed by another
}

// groupDialer makes connections that can all be cut.
type groupDialer struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func (d *groupDialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conns[conn] = struct{}{}
	return &groupConn{Conn: conn, dialer: d}, nil
}

// cut ends all connections and lets none begin.
func (d *groupDialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for conn := range d.conns {
		_ = conn.Close() // its user gets the error
	}
}

type groupConn struct {
	net.Conn
	dialer *groupDialer
}

func (c *groupConn) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.conns, c.Conn)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}
