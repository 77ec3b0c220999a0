package restapi

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	health "ampra/core/device"
)

// Site is a server to try. It is reached over loopback, so that the first account
// can be made.
type Site struct {
	// URL is where the server listens, without a slash at its end.
	URL string
	// PublicURL, MQTTHost and MQTTPort are its settings.
	PublicURL string
	MQTTHost  string
	MQTTPort  int
	// Logs returns what the server has logged so far, in all levels; nil where that
	// can't be seen.
	Logs func() string
	// Advance moves the server's clock; nil where it is the machine's.
	Advance func(d time.Duration)
	// Now is the server's time; nil for the machine's.
	Now func() time.Time
	// Hear notes that a source's device was heard, with its solar power; nil where
	// that is out of reach.
	Hear func(t *testing.T, source string, at time.Time, watts *float64)
	// Knock notes an attempt of a device; nil where that is out of reach.
	Knock func(health.Attempt)
	// PutLetter stores a webhook's payload as a dead letter, as one is after an
	// upgrade with which it can be read; signed may be zero. nil where the store is
	// out of reach.
	PutLetter func(t *testing.T, source string, payload []byte, received, signed time.Time)
}

// Open starts a fresh server without any account, which ends with the test.
type Open func(t *testing.T) Site

// REST runs what the API promises.
func REST(t *testing.T, open Open) {
	t.Helper()
	t.Run("the first account", func(t *testing.T) { firstAccount(t, open) })

	s := newSuite(t, open(t))
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"every example of the API's page", s.seedPage},
		{"every route has its answer for everybody", s.matrix},
		{"paths and methods", s.paths},
		{"sun sources", s.sunSources},
		{"fields of an update", s.updateFields},
		{"bad input", s.badInput},
		{"lists", s.lists},
		{"credentials", s.credentials},
		{"devices", s.deviceStates},
		{"power groups", s.powerGroups},
		{"prices and return", s.prices},
		{"accounts", s.accounts},
		{"API tokens", s.apiTokens},
		{"other origins", s.origins},
		{"repeats", s.repeats},
		{"webhooks", s.webhooks},
		{"telemetry", s.telemetry},
		{"dead letters", s.deadLetters},
		{"imports", s.imports},
		{"charts", s.series},
		{"exports", s.exports},
		{"settings", s.settings},
		{"the clock", s.clock},
		{"documentation and health", s.documentation},
	} {
		if !t.Run(part.name, part.run) && t.Failed() && testing.Verbose() {
			t.Logf("%s failed", part.name)
		}
	}
	t.Run("the log holds no secret", s.logHoldsNoSecret)
}

// suite is a run against one site.
type suite struct {
	site     Site
	document *document
	overseer *person
	drawn    atomic.Int64

	mu      sync.Mutex
	secrets []string
}

func newSuite(t *testing.T, site Site) *suite {
	t.Helper()
	s := &suite{site: site}
	s.document = loadDocument(t, site.URL)
	s.overseer = &person{suite: s, email: "overseer@example.org", password: s.secret("Overseer-Passw0rd")}
	got := s.overseer.post(t, "/api/auth/register", object{"email": s.overseer.email, "password": s.overseer.password})
	got.want(t, 201)
	s.overseer.signedIn(t, got)
	return s
}

// secret notes a text that must not be logged, and returns it.
func (s *suite) secret(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text != "" && !slices.Contains(s.secrets, text) {
		s.secrets = append(s.secrets, text)
	}
	return text
}

// name draws a name that nothing else has.
func (s *suite) name(what string) string { return fmt.Sprintf("%s %d", what, s.drawn.Add(1)) }

// tick lets a moment pass, where the clock is the suite's to move.
func (s *suite) tick() {
	if s.site.Advance != nil {
		s.site.Advance(time.Millisecond)
	}
}

func (s *suite) now() time.Time {
	if s.site.Now != nil {
		return s.site.Now()
	}
	return time.Now()
}

// newUser makes an account of a role and signs it in.
func (s *suite) newUser(t *testing.T, role string) *person {
	t.Helper()
	p := &person{suite: s, email: fmt.Sprintf("user%d@example.org", s.drawn.Add(1))}
	p.password = s.secret(fmt.Sprintf("Passw0rd-of-user-%d", s.drawn.Add(1)))
	got := s.overseer.post(t, "/api/users", object{"email": p.email, "password": p.password, "role": role})
	got.want(t, 201)
	p.id = got.text(t, "id")
	p.login(t)
	return p
}

func (s *suite) logHoldsNoSecret(t *testing.T) {
	if s.site.Logs == nil {
		t.Skip("the log of this site can't be seen")
	}
	log := s.site.Logs()
	if len(log) == 0 {
		t.Fatal("nothing was logged in the whole run")
	}
	for _, secret := range s.secrets {
		if before, _, found := strings.Cut(log, secret); found {
			line := before[strings.LastIndex(before, "\n")+1:]
			t.Errorf("the log holds a secret (%.8s...) after %q", secret, line)
		}
	}
}
