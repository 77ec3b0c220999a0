// Package simulate plays a fleet of solar installations against a server, as its
// users' own devices would: it signs in, creates sources, sends believable days
// over MQTT and signed webhooks, and reads every reading back by the API to count
// what is lost and what is there twice. It is a client of the public interfaces
// and shares nothing with the server but the signature's algorithm.
package simulate

import (
	"context"
	"fmt"
	"time"
)

// Run plays a fleet as the options say, and returns what came of it. When it got
// as far as playing, the last line that it wrote is Summary.LastLine, and the
// error is Summary.Err or says that the API could not be read. When ctx ends it
// sends no more, and still looks for what was acknowledged.
func Run(ctx context.Context, o Options) (Summary, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Summary{}, err
	}
	session, err := NewSession(ctx, o.SignIn)
	if err != nil {
		return Summary{}, err
	}
	defer session.Close()
	switch {
	case session.Made && o.Email == "": // nobody else knows the password
		fmt.Fprintf(o.Out, "signed up at %s as %s, password %s\n", o.URL, session.Email, session.Password.Reveal())
	case session.Made:
		fmt.Fprintf(o.Out, "signed up at %s as %s\n", o.URL, session.Email)
	}
	sources, err := makeSources(ctx, session, o)
	if err != nil {
		return Summary{}, err
	}
	fmt.Fprintf(o.Out, "playing %d sources at speed %s, a reading every %s each\n", len(sources), o.Speed, o.Interval)

	f := newFleet(session, o.MQTT, o.MaxOutage, sources)
	now := time.Now()
	parallel := 0
	if o.Speed.isMax() {
		parallel = o.Parallel
	}
	summary, err := f.playAndVerify(ctx, playing{
		parallel:  parallel,
		schedules: func(i int, _ *Source) []schedule { return []schedule{o.plan(i, now)} },
		follow:    o.Speed == Real,
		patience:  o.FindWithin,
		progress:  newProgress(o.Out),
		tell:      o.OnCounts,
	})
	if err == nil && !o.Keep {
		if kept := removeSources(context.WithoutCancel(ctx), session, sources); kept != nil {
			summary.Notes = append(summary.Notes, kept.Error())
		}
	}
	summary.write(o.Out)
	return summary, err
}

// makeSources creates the fleet's sources.
func makeSources(ctx context.Context, session *Session, o Options) ([]*Source, error) {
	sources := make([]*Source, 0, o.Sources)
	for i := range o.Sources {
		source, err := session.AddSource(ctx, fmt.Sprintf("Simulated %03d", i+1), o.isWebhook(i), o.Seed, i)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source)
	}
	return sources, nil
}

func removeSources(ctx context.Context, session *Session, sources []*Source) error {
	for _, source := range sources {
		if err := session.RemoveSource(ctx, source); err != nil {
			return err
		}
	}
	return nil
}

// playing is how a fleet is played and looked for.
type playing struct {
	parallel  int
	schedules func(i int, s *Source) []schedule
	follow    bool // look for readings while they are sent
	patience  time.Duration
	progress  *progress
	tell      func(Counts)
}

// playAndVerify plays to the end and then looks for what was acknowledged.
func (f *fleet) playAndVerify(ctx context.Context, p playing) (Summary, error) {
	// Looking outlives an interruption.
	looking := context.WithoutCancel(ctx)
	telling, stopTelling := context.WithCancel(looking)
	defer stopTelling()
	told := make(chan struct{})
	go func() {
		defer close(told)
		p.progress.run(telling, f.counts, f.troubles, p.tell)
	}()
	following, stopFollowing := context.WithCancel(looking)
	defer stopFollowing()
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		if p.follow {
			f.follow(following)
		}
	}()

	begun := time.Now()
	f.play(ctx, p.parallel, p.schedules)
	sending := time.Since(begun)
	interrupted := ctx.Err() != nil
	stopFollowing()
	<-followed
	begun = time.Now()
	err := f.verify(looking, p.patience)
	finding := time.Since(begun)
	stopTelling()
	<-told
	p.progress.end()

	summary := f.summary()
	summary.Sending, summary.Finding, summary.Interrupted = sending, finding, interrupted
	if p.tell != nil {
		p.tell(summary.Counts)
	}
	if err != nil {
		return summary, fmt.Errorf("looking for what was sent: %w", err)
	}
	return summary, summary.Err()
}
