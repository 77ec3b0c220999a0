package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ampra/test/child"
)

// simulation is a run of "ampra simulate".
type simulation struct {
	*child.Child
	t   testing.TB
	out *record
}

// counts are the simulator's last words.
type counts struct{ sent, acknowledged, found, lost, twice int }

// simulate starts the simulator as the user, against the user's server.
func simulate(u *user, args ...string) *simulation {
	u.t.Helper()
	s := &simulation{t: u.t, out: &record{}}
	cmd := command(u.t, nil, append([]string{
		"simulate", "--url", u.server.url(), "--email", u.email, "--password", u.password,
	}, args...)...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	s.Child = spawn(u.t, cmd)
	return s
}

var lastLine = regexp.MustCompile(`^sent (\d+), acknowledged (\d+), found (\d+), lost (\d+), twice (\d+)$`)

// wait waits for the simulator's end. Its exit code and its last line must say
// that every acknowledged reading was found once.
func (s *simulation) wait(limit time.Duration) counts {
	s.t.Helper()
	if !s.EndsWithin(limit) {
		s.t.Fatalf("the simulator did not end within %s:\n%s", limit, s.out.tail())
	}
	lines := strings.Split(strings.TrimSpace(s.out.String()), "\n")
	var found []string
	for _, line := range lines { // an error may stand behind it
		if words := lastLine.FindStringSubmatch(line); words != nil {
			found = words
		}
	}
	if found == nil {
		s.t.Fatalf("the simulator ended with code %d and without its counts:\n%s", s.State.ExitCode(), s.out.tail())
	}
	var numbers [5]int
	for i := range numbers {
		numbers[i], _ = strconv.Atoi(found[i+1])
	}
	c := counts{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]}
	if c.lost != 0 || c.twice != 0 || c.acknowledged != c.found || s.State.ExitCode() != 0 {
		s.t.Errorf("the simulator ended with code %d:\n%s", s.State.ExitCode(), s.out.tail())
	}
	return c
}

// about is what the simulator says of its run, for the test's log.
func (s *simulation) about() string {
	var said []string
	for line := range strings.Lines(s.out.String()) {
		for _, word := range []string{"sending took", "acknowledged within", "sent ", "passing problems"} {
			if strings.Contains(line, word) && !strings.Contains(line, "/s\n") {
				said = append(said, strings.TrimSpace(line))
				break
			}
		}
	}
	return strings.Join(said, "\n")
}

func TestASimulatedFleetFindsEveryReadingThatItSent(t *testing.T) {
	const sources, day = 20, 24 * 60
	onBoth(t, oneProcess, func(t *testing.T, open opener) {
		u := firstUser(t, open(t).startAll().api())
		s := simulate(u, "--sources", strconv.Itoa(sources), "--days", "1", "--speed", "max")
		got := s.wait(2 * time.Minute)
		if got.sent != sources*day || got.found != got.sent {
			t.Errorf("%+v, want all of %d readings sent and found", got, sources*day)
		}
		t.Log(s.about())
		var left []any
		u.want(200, "GET", "/api/sunsources", nil).into(t, &left)
		if len(left) != 0 {
			t.Errorf("%d sources are left behind", len(left))
		}
	})
}
