package devices

import (
	"context"
	"time"

	"ampra/core/actor"
	"ampra/core/device"
)

// Summary is the sum of an actor's sources.
type Summary struct {
	device.Overview
	At time.Time
	// Silent are those that want looking after, the worst first, at most MaxSilent.
	Silent []device.Listed
}

// MaxSilent is how many silent sources an overview names.
const MaxSilent = 20

// Overview sums up all of the actor's sources.
func (s *Service) Overview(ctx context.Context, who actor.Actor) (Summary, error) {
	sum := Summary{At: s.d.Clock.Now()}
	var err error
	if sum.Overview, err = s.d.Fleet.Overview(ctx, who.UserID); err != nil {
		return Summary{}, err
	}
	if sum.States[device.Offline]+sum.States[device.Late] > 0 {
		sum.Silent, err = s.d.Fleet.Search(ctx, who.UserID, device.Query{
			States: []device.State{device.Offline, device.Late}, Sort: device.ByState, Limit: MaxSilent,
		})
		if err != nil {
			return Summary{}, err
		}
	}
	return sum, nil
}
