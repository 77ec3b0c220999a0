package mqttbroker

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Bounds of a session's state.
const (
	maxSubscriptions = 16
	maxFilter        = 256     // bytes of a filter
	maxQueued        = 100     // messages that wait for a device; the oldest go first
	maxQueuedBytes   = 1 << 20 // and their bytes, unless it is a single one
	maxWindow        = 16      // QoS 1 messages to a device without PUBACK
	maxUnreleased    = 1024    // QoS 2 publishes without PUBREL
)

// state is what a persistent session keeps while its device is away.
type state struct {
	// credential is what the session signed in with.
	credential uuid.UUID
	// expiresAt is set while it is parked; guarded by Broker.mu.
	expiresAt time.Time

	mu sync.Mutex
	// owner is the session that goes on with it; nil while the device is away.
	owner         *session
	subscriptions map[string]subscription
	// inbound are the QoS 2 publishes that are not released yet.
	inbound map[uint16]*receipt
	// queue holds the messages to the device; the first sent of them are on their
	// way and wait for PUBACK.
	queue  []queued
	sent   int
	bytes  int
	lastID uint16
}

type subscription struct {
	qos        byte
	noLocal    bool
	keepRetain bool
}

// receipt is a QoS 2 publish that came in.
type receipt struct {
	taken bool
	// waiting wants to know when it is, or is refused.
	waiting []waiter
}

// waiter is an answer that a session owes.
type waiter struct {
	session *session
	number  uint64
}

// fate is what a QoS 2 publish is at its coming.
type fate int

const (
	fresh   fate = iota // to be handed over
	pending             // it came before, and it is not known yet whether it is durable
	taken               // it came before, and is
)

func newState(credential uuid.UUID) *state { return &state{credential: credential} }

// adopt makes s, or nobody, the session that goes on with the state: what was on
// its way to the device goes there again.
func (st *state) adopt(s *session) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.owner, st.sent = s, 0
}

// receive notes a QoS 2 publish. With pending, w is answered together with the
// first.
func (st *state) receive(id uint16, w waiter) (fate, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	r, known := st.inbound[id]
	switch {
	case known && r.taken:
		return taken, nil
	case known:
		// Those of a session that is gone need no answer.
		r.waiting = slices.DeleteFunc(r.waiting, func(other waiter) bool { return other.session != w.session })
		r.waiting = append(r.waiting, w)
		return pending, nil
	case len(st.inbound) >= maxUnreleased:
		return fresh, violation{receiveMaximumPassed, "too many QoS 2 publishes are not released"}
	}
	if st.inbound == nil {
		st.inbound = map[uint16]*receipt{}
	}
	st.inbound[id] = &receipt{waiting: []waiter{w}}
	return fresh, nil
}

// conclude answers a QoS 2 publish. One that was refused, or may not be durable,
// is forgotten; but MQTT 3.1.1 is not told of a refusal and will release it.
func (st *state) conclude(id uint16, err error) {
	st.mu.Lock()
	r := st.inbound[id]
	waiting := r.waiting
	r.waiting = nil
	r.taken = err == nil || refused(err) && slices.ContainsFunc(waiting, func(w waiter) bool { return w.session.version < 5 })
	if !r.taken {
		delete(st.inbound, id)
	}
	st.mu.Unlock()
	for _, w := range waiting {
		w.session.settle(w.number, err)
	}
}

// release forgets a QoS 2 publish and reports whether it was taken.
func (st *state) release(id uint16) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	r, known := st.inbound[id]
	if !known || !r.taken {
		return false
	}
	delete(st.inbound, id)
	return true
}

// subscribe notes a filter. ok is false when there are too many.
func (st *state) subscribe(filter string, sub subscription) (ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, known := st.subscriptions[filter]; !known && len(st.subscriptions) >= maxSubscriptions {
		return false
	}
	if st.subscriptions == nil {
		st.subscriptions = map[string]subscription{}
	}
	st.subscriptions[filter] = sub
	return true
}

// unsubscribe drops a filter and reports whether it was there.
func (st *state) unsubscribe(filter string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	_, known := st.subscriptions[filter]
	delete(st.subscriptions, filter)
	return known
}

// granted is how the device's subscriptions take a message of its own, with the
// highest QoS of them; ok is false when none does.
func (st *state) granted(topic string) (sub subscription, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for filter, each := range st.subscriptions {
		if !each.noLocal && matches(filter, topic) {
			ok = true
			sub.qos = max(sub.qos, each.qos)
			sub.keepRetain = sub.keepRetain || each.keepRetain
		}
	}
	return sub, ok
}
