package rotation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Report is what was seen.
type Report struct {
	// Rotations were made, Sessions of old keys ended after them or during them.
	Rotations, Sessions int
	// Longest is how long after the API's answer the last end of an old session
	// reached its device; negative or 0 where all ended before.
	Longest time.Duration
	// Late counts those that took longer than Limit.
	Late int
	// Wrong is what must not be, with how often it was seen.
	Wrong map[string]int
	Took  time.Duration

	mu   sync.Mutex
	ways map[string]*way
}

// way is one way of using a key.
type way struct {
	rotations, sessions int
	longest             time.Duration
}

func newReport() *Report { return &Report{Wrong: map[string]int{}, ways: map[string]*way{}} }

func (r *Report) round(s *scene, sessions int, longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := fmt.Sprintf("MQTT %d, %s", s.version, s.way)
	w := r.ways[name]
	if w == nil {
		w = &way{}
		r.ways[name] = w
	}
	w.rotations++
	w.sessions += sessions
	w.longest = max(w.longest, longest)
	r.Rotations++
	r.Sessions += sessions
	r.Longest = max(r.Longest, longest)
	if longest > Limit {
		r.Late++
	}
}

func (r *Report) wrong(s *scene, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Wrong[fmt.Sprintf("MQTT %d, %s: %s", s.version, s.way, what)]++
}

// String is a table for people.
func (r *Report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d rotations in %s, %d sessions of old keys, the last end %s after the API's answer, %d later than %s\n",
		r.Rotations, r.Took.Round(time.Millisecond), r.Sessions, r.Longest.Round(10*time.Microsecond), r.Late, Limit)
	for _, name := range slices.Sorted(maps.Keys(r.ways)) {
		w := r.ways[name]
		fmt.Fprintf(&b, "  %-72s %6d rotations %7d sessions  longest %s\n", name, w.rotations, w.sessions, w.longest.Round(10*time.Microsecond))
	}
	for _, what := range slices.Sorted(maps.Keys(r.Wrong)) {
		fmt.Fprintf(&b, "  WRONG %d times: %s\n", r.Wrong[what], what)
	}
	return b.String()
}
