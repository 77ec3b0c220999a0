package sunsources

import (
	"context"

	"github.com/google/uuid"

	"ampra/core/actor"
	"ampra/core/change"
	"ampra/core/fault"
	"ampra/core/sunsource"
)

// Update is a change of a source.
type Update struct {
	sunsource.Patch
	// RegenerateMQTTKey ends the current MQTT key at once.
	RegenerateMQTTKey bool
	// Unreadable names fields that could not be read as what they should be; they
	// are refused together with those that break a rule.
	Unreadable fault.Fields
}

// Update changes the fields that were sent. When it returns, a deactivation or a
// new key is in force in every process.
func (s *Service) Update(ctx context.Context, who actor.Actor, id uuid.UUID, u Update, reveal bool) (Revealed, error) {
	var answer Revealed
	var settle int64
	err := s.d.Transactions.Run(ctx, func(ctx context.Context) error {
		settle = 0
		wrong, err := s.foreignGroup(ctx, who, u.PowerGroupID.Value)
		if err != nil {
			return err
		}
		var wasActive, moved bool
		updated, err := s.d.Sources.Update(ctx, who.UserID, id, func(source *sunsource.SunSource) error {
			wasActive = source.IsActive
			latitude, longitude := source.Latitude, source.Longitude
			if err := u.Unreadable.With(wrong.With(u.Apply(source))); err != nil {
				return err
			}
			if u.RegenerateMQTTKey && source.ConnectionType != sunsource.MQTT {
				return fault.New(fault.Conflict, "This is a Webhook source: it has no MQTT key to regenerate.")
			}
			moved = differs(latitude, source.Latitude) || differs(longitude, source.Longitude)
			source.UpdatedAt = s.d.Clock.Now()
			return nil
		})
		if err != nil {
			return err
		}
		if u.RegenerateMQTTKey {
			if settle, err = s.d.Credentials.RotateNow(ctx, who, id, sunsource.MQTT); err != nil {
				return err
			}
		}
		if wasActive != updated.IsActive {
			if settle, err = s.d.Outbox.Append(ctx, change.Change{Kind: change.SourceUpdated, SourceID: id}); err != nil {
				return err
			}
		}
		if moved { // its time zone may be another
			if settle, err = s.d.Outbox.Append(ctx, change.Change{Kind: change.SettingsChanged, SourceID: id}); err != nil {
				return err
			}
		}
		answer, err = s.reveal(ctx, who, updated, reveal)
		return err
	})
	if err != nil {
		return Revealed{}, err
	}
	if settle > 0 {
		if err := s.d.Feed.Settle(ctx, settle); err != nil {
			return Revealed{}, fault.Wrap(fault.Unavailable, err, "The change is saved, but not every server has confirmed it in time.")
		}
	}
	return answer, nil
}

func differs(a, b *float64) bool {
	return (a == nil) != (b == nil) || a != nil && *a != *b
}
