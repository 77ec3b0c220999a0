package kafka

import "time"

// queue holds the records of one partition, in order, from the moment that the
// journal took them until they are answered. The journal's lock guards it.
type queue struct {
	parts []part
	bytes int
	// flying counts the parts, from the first on, that are in a request; 0: none.
	flying int
	// failures counts the attempts since the last success.
	failures int
	// retryAt is the earliest time of the next attempt.
	retryAt time.Time
	// limit bounds the records of a batch; it shrinks when Kafka refuses one for
	// what is in it, to find the record at fault.
	limit int
}

func (q *queue) push(p part) {
	q.parts = append(q.parts, p)
	q.bytes += p.size()
}

// free reports whether there is something that may go out now.
func (q *queue) free(now time.Time) bool {
	return len(q.parts) > 0 && q.flying == 0 && !now.Before(q.retryAt)
}

// take puts records into a request, of at most so many bytes but for the first.
func (q *queue) take(maxBytes int) []message {
	limit := maxBatchRecords
	if q.limit > 0 {
		limit = q.limit
	}
	var messages []message
	for size := 0; q.flying < len(q.parts) && q.flying < limit; q.flying++ {
		m := q.parts[q.flying].message
		if size += m.size(); size > maxBytes && q.flying > 0 {
			break
		}
		messages = append(messages, m)
	}
	return messages
}

// land ends the request. When it was a success, or failed for good, its records
// leave the queue and are returned; else they stay in front.
func (q *queue) land(leave bool) []part {
	n := q.flying
	q.flying = 0
	if !leave {
		return nil
	}
	return q.shift(n)
}

// shift removes the first n records.
func (q *queue) shift(n int) []part {
	if n == 0 {
		return nil
	}
	gone := make([]part, n)
	copy(gone, q.parts)
	for _, p := range gone {
		q.bytes -= p.size()
	}
	rest := copy(q.parts, q.parts[n:])
	clear(q.parts[rest:]) // lets go of what they hold
	q.parts = q.parts[:rest]
	if rest == 0 && cap(q.parts) > maxBatchRecords {
		q.parts = nil
	}
	return gone
}

// expire removes the records that were taken before a time and are in no
// request.
func (q *queue) expire(before time.Time) []part {
	if q.flying > 0 {
		return nil
	}
	n := 0
	for n < len(q.parts) && q.parts[n].since.Before(before) {
		n++
	}
	return q.shift(n)
}
