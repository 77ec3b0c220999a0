package sqldb

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"ampra/core/sunsource"
)

// MQTTAccess is an MQTT source with its current credential, without what opens
// it.
type MQTTAccess struct {
	SourceID     uuid.UUID `bun:"source_id"`
	CredentialID uuid.UUID `bun:"credential_id"`
	Active       bool      `bun:"is_active"`
}

// ListMQTT returns up to limit MQTT sources of all owners behind an id, in the
// order of ids.
func (a *AccessRecords) ListMQTT(ctx context.Context, after uuid.UUID, limit int) ([]MQTTAccess, error) {
	var page []MQTTAccess
	err := a.db.selectPrepared(ctx, &page, "select s.id as source_id, c.id as credential_id, s.is_active "+
		"from sun_sources as s join credentials as c on c.source_id = s.id and c.valid_until is null "+
		"where s.connection_type = $1 and s.id > $2 order by s.id limit $3", string(sunsource.MQTT), after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing MQTT sources: %w", translate(err))
	}
	return page, nil
}
