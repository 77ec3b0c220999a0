package credentials

import (
	"context"
	"fmt"
)

// resealBatch is how many credentials are sealed anew at a time.
const resealBatch = 500

// Reseal seals every credential that is under an older key with the current one
// and returns how many. progress is called after each batch with the count so
// far.
func (s *Service) Reseal(ctx context.Context, progress func(done int)) (int, error) {
	current, done := s.d.Sealer.CurrentKey(), 0
	for {
		batch, err := s.d.Credentials.SealedWithout(ctx, current, resealBatch)
		if err != nil {
			return done, err
		}
		if len(batch) == 0 {
			return done, nil
		}
		for _, c := range batch {
			secret, err := open(s.d.Sealer, c)
			if err != nil {
				return done, err
			}
			sealed, err := s.d.Sealer.Seal([]byte(secret.Reveal()), c.AssociatedData())
			if err != nil {
				return done, fmt.Errorf("sealing a credential: %w", err)
			}
			if err := s.d.Credentials.Reseal(ctx, c.ID, c.Sealed, sealed); err != nil {
				return done, err
			}
			done++
		}
		progress(done)
	}
}
