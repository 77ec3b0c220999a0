package main

import (
	"strings"
	"testing"
	"time"
)

// told is a book of four readings: three acknowledged, one of them corrected, and
// one sent without an answer.
func told() (*book, []reading) {
	b := &book{name: "source", index: 3, strict: true}
	now := time.UnixMilli(1_700_000_000_000)
	sent := []reading{b.begin(now), b.begin(now), b.begin(now.Add(time.Second)), b.begin(now.Add(2 * time.Second))}
	for _, r := range sent[:3] {
		b.acknowledge(r, now)
	}
	corrected, ok := b.correct(2)
	if !ok {
		panic("the second reading is acknowledged")
	}
	b.acknowledge(corrected, now)
	return b, append(sent, corrected)
}

// shows lists readings to the book and judges.
func shows(b *book, forgiveness time.Time, rows ...reading) verdict {
	b.listing()
	for _, r := range rows {
		b.show(r.stamp, r.values())
	}
	return b.judge(forgiveness)
}

func TestWhatIsPlantedInAListingIsFoundByTheJudge(t *testing.T) {
	t.Parallel()
	_, sent := told()
	first, second, third, open, corrected := sent[0], sent[1], sent[2], sent[3], sent[4]
	stranger := reading{number: 1, stamp: third.stamp + 5, index: 3}
	moved := third
	moved.number = first.number
	foreign := third
	foreign.index = 4
	unknownVersion := third
	unknownVersion.version = 7
	cases := map[string]struct {
		rows    []reading
		forgive time.Time
		want    verdict
	}{
		"nothing wrong":                   {rows: []reading{first, corrected, third}, want: verdict{found: 3}},
		"an unacknowledged one is there":  {rows: []reading{first, corrected, third, open}, want: verdict{found: 3, extra: 1}},
		"a loss":                          {rows: []reading{first, third}, want: verdict{found: 2, lost: 1}},
		"everything lost":                 {want: verdict{lost: 3}},
		"a loss of an outside broker":     {rows: []reading{first, third}, forgive: time.Now(), want: verdict{found: 2, forgiven: 1}},
		"a loss after the broker's kill":  {rows: []reading{first, third}, forgive: time.UnixMilli(1_600_000_000_000), want: verdict{found: 2, lost: 1}},
		"a duplicate":                     {rows: []reading{first, corrected, corrected, third}, want: verdict{found: 3, twice: 1}},
		"a duplicate without an answer":   {rows: []reading{first, corrected, third, open, open}, want: verdict{found: 3, extra: 1, twice: 1}},
		"an invention":                    {rows: []reading{first, corrected, third, stranger}, want: verdict{found: 3, unsent: 1}},
		"values of another reading":       {rows: []reading{first, corrected, moved}, want: verdict{found: 3, unsent: 1}},
		"values of another source":        {rows: []reading{first, corrected, foreign}, want: verdict{found: 3, unsent: 1}},
		"a version that was never sent":   {rows: []reading{first, corrected, unknownVersion}, want: verdict{found: 3, unsent: 1}},
		"the values before a correction":  {rows: []reading{first, second, third}, want: verdict{found: 3, older: 1}},
		"old values beside the corrected": {rows: []reading{first, second, corrected, third}, want: verdict{found: 3, twice: 1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := told()
			got := shows(b, c.forgive, c.rows...)
			broken := c.want.lost+c.want.twice+c.want.unsent+c.want.older > 0
			if got.broken() != broken || broken != (len(got.first) > 0) {
				t.Errorf("broken is %v with %q, want %v", got.broken(), got.first, broken)
			}
			c.want.sent, c.want.acked = 4, 3
			got.first = nil
			if !same(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func same(a, b verdict) bool {
	a.first, b.first = nil, nil
	return a.sent == b.sent && a.acked == b.acked && a.found == b.found && a.extra == b.extra && a.lost == b.lost &&
		a.forgiven == b.forgiven && a.twice == b.twice && a.unsent == b.unsent && a.older == b.older
}

func TestABookThatIsNotStrictTakesAnyVersionThatWasSent(t *testing.T) {
	t.Parallel()
	b, sent := told()
	b.strict = false
	if v := shows(b, time.Time{}, sent[0], sent[1], sent[2]); v.broken() {
		t.Errorf("%+v", v)
	}
}

func TestOnlyAnAcknowledgedReadingIsCorrected(t *testing.T) {
	t.Parallel()
	b, _ := told()
	if r, ok := b.correct(0); ok {
		t.Errorf("reading %d has no answer and was corrected", r.number)
	}
	if got := b.open(); got != 1 {
		t.Errorf("%d readings are open, want 1", got)
	}
	if _, ok := b.correct(1); !ok {
		t.Error("an acknowledged reading can't be corrected")
	}
	if got := b.open(); got != 2 {
		t.Errorf("with an unanswered correction %d readings are open, want 2", got)
	}
}

func TestABrokenResultSaysWhatItIsAboutAndHowToRepeatIt(t *testing.T) {
	t.Parallel()
	b, sent := told()
	r := result{name: scale, seed: 42, verdict: shows(b, time.Time{}, sent[0])}
	var out strings.Builder
	printResult(&out, r)
	for _, want := range []string{"BROKEN", "lost 2", "--profile scale --seed 42", "source " + moment(sent[2].stamp)} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestAPlanIsDrawnAgainFromItsSeed(t *testing.T) {
	t.Parallel()
	on := targets{processes: []string{"api", "writer"}, servers: []string{"Kafka"}, links: []string{"devices", "ampra-kafka"}}
	plan := func(seed uint64) string { return describe(draw(random(seed), on, 20*time.Second, 24)) }
	if first, again := plan(1), plan(1); first != again {
		t.Error("two plans of one seed differ")
	}
	if plan(1) == plan(2) {
		t.Error("two seeds have one plan")
	}
}

func TestATargetIsNotHitWhileAFaultOfItLasts(t *testing.T) {
	t.Parallel()
	on := targets{processes: []string{"api"}, links: []string{"devices"}}
	for seed := range uint64(50) {
		until := map[string]time.Duration{}
		for _, f := range draw(random(seed), on, 20*time.Second, 24) {
			if f.at < until[f.target] {
				t.Fatalf("seed %d: %s while another lasts until %s", seed, f, until[f.target])
			}
			until[f.target] = f.at + f.length
		}
	}
}
