package kafka

// LogStats is how far a reading end is, for metrics.
type LogStats struct {
	// Partitions is how many of them are this member's.
	Partitions int
	// Lag is how many records of them are in Kafka and not committed; Worst is that
	// of the partition that is behind most.
	Lag, Worst int64
}

// Stats is how far the log is: what it knows from its last requests. It is zero
// while the member has no partition.
func (l *Log) Stats() LogStats {
	s := l.session()
	if s == nil {
		return LogStats{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := LogStats{Partitions: len(s.places)}
	for _, p := range s.places {
		behind := max(p.end-p.done, 0)
		stats.Lag += behind
		stats.Worst = max(stats.Worst, behind)
	}
	return stats
}

// place is how far a partition is done, and where it ends.
type place struct{ done, end int64 }

// saw notes where a partition ends, and, at first, where it began to be read.
func (s *session) saw(partition int32, next, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.places[partition]
	if !known {
		p.done = next
	}
	p.end = end
	s.places[partition] = p
}

// done notes how far a partition is committed. Called with the lock.
func (s *session) done(partition int32, until int64) {
	if p, known := s.places[partition]; known {
		p.done = max(p.done, until)
		s.places[partition] = p
	}
}
