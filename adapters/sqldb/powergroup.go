package sqldb

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"ampra/core/fault"
	"ampra/core/powergroup"
)

var _ powergroup.Repository = (*PowerGroups)(nil)

// PowerGroups keeps power groups.
type PowerGroups struct{ db *DB }

// NewPowerGroups returns the power groups in db.
func NewPowerGroups(db *DB) *PowerGroups { return &PowerGroups{db} }

type groupRow struct {
	bun.BaseModel `bun:"table:power_groups,alias:g"`

	ID             uuid.UUID `bun:"id,pk"`
	OwnerID        uuid.UUID `bun:"owner_id"`
	Name           string    `bun:"name"`
	Description    *string   `bun:"description"`
	LogoURL        *string   `bun:"logo_url"`
	CreatedAt      instant   `bun:"created_at"`
	UpdatedAt      instant   `bun:"updated_at"`
	SunSourceCount int       `bun:"sun_source_count,scanonly"`
}

func groupToRow(g powergroup.PowerGroup) *groupRow {
	return &groupRow{
		ID: g.ID, OwnerID: g.OwnerID, Name: g.Name, Description: g.Description, LogoURL: g.LogoURL,
		CreatedAt: at(g.CreatedAt), UpdatedAt: at(g.UpdatedAt),
	}
}

func (r *groupRow) group() powergroup.PowerGroup {
	return powergroup.PowerGroup{
		ID: r.ID, OwnerID: r.OwnerID, Name: r.Name, Description: r.Description, LogoURL: r.LogoURL,
		CreatedAt: r.CreatedAt.at, UpdatedAt: r.UpdatedAt.at, SunSourceCount: r.SunSourceCount,
	}
}

// Create stores a new group.
func (p *PowerGroups) Create(ctx context.Context, g powergroup.PowerGroup) error {
	n, err := affected(p.db.conn(ctx).NewInsert().Model(groupToRow(g)).On("conflict do nothing").Exec(ctx))
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "There is a power group with this id already.")
	}
	if err != nil {
		return fmt.Errorf("storing a power group: %w", err)
	}
	return nil
}

// Get returns one group with its count of sources, or NotFound.
func (p *PowerGroups) Get(ctx context.Context, owner, id uuid.UUID) (powergroup.PowerGroup, error) {
	var row groupRow
	err := p.query(ctx, &row).Where("g.id = ? and g.owner_id = ?", id, owner).Scan(ctx)
	if err != nil {
		return powergroup.PowerGroup{}, fmt.Errorf("reading a power group: %w", found(err, "power group"))
	}
	return row.group(), nil
}

// List returns the owner's groups by creation time, then id.
func (p *PowerGroups) List(ctx context.Context, owner uuid.UUID) ([]powergroup.PowerGroup, error) {
	var rows []groupRow
	err := p.query(ctx, &rows).Where("g.owner_id = ?", owner).OrderExpr("g.created_at, g.id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing power groups: %w", translate(err))
	}
	groups := make([]powergroup.PowerGroup, len(rows))
	for i := range rows {
		groups[i] = rows[i].group()
	}
	return groups, nil
}

func (p *PowerGroups) query(ctx context.Context, rows any) *bun.SelectQuery {
	return p.db.reader(ctx).NewSelect().Model(rows).ColumnExpr("g.*").
		ColumnExpr("(select count(*) from sun_sources as s where s.power_group_id = g.id) as sun_source_count")
}

// Update loads, lets change decide, and saves, in one transaction.
func (p *PowerGroups) Update(ctx context.Context, owner, id uuid.UUID, change func(*powergroup.PowerGroup) error) (powergroup.PowerGroup, error) {
	var saved powergroup.PowerGroup
	err := p.db.Run(ctx, func(ctx context.Context) error {
		if err := p.lock(ctx, owner, id); err != nil {
			return err
		}
		g, err := p.Get(ctx, owner, id)
		if err != nil {
			return err
		}
		if err := change(&g); err != nil {
			return err
		}
		row := groupToRow(g)
		result, err := p.db.conn(ctx).NewUpdate().Model(row).
			Column("name", "description", "logo_url", "updated_at").
			Where("id = ? and owner_id = ?", id, owner).Exec(ctx)
		if err := affectedOne(result, err, "power group"); err != nil {
			return fmt.Errorf("storing a power group: %w", err)
		}
		saved, err = p.Get(ctx, owner, id)
		return err
	})
	return saved, err
}

// lock keeps other transactions from changing the group, and from assigning
// sources to it, until this one ends.
func (p *PowerGroups) lock(ctx context.Context, owner, id uuid.UUID) error {
	var row groupRow
	err := p.db.conn(ctx).NewSelect().Model(&row).Column("id").
		Where("g.id = ? and g.owner_id = ?", id, owner).Apply(p.db.locking).Scan(ctx)
	if err != nil {
		return fmt.Errorf("locking a power group: %w", found(err, "power group"))
	}
	return nil
}

// Delete removes the group; its sources stay, unassigned.
func (p *PowerGroups) Delete(ctx context.Context, owner, id uuid.UUID) error {
	return p.db.Run(ctx, func(ctx context.Context) error {
		if err := p.lock(ctx, owner, id); err != nil {
			return err
		}
		_, err := p.db.conn(ctx).NewUpdate().Model((*sourceRow)(nil)).
			Set("power_group_id = null").Where("power_group_id = ? and owner_id = ?", id, owner).Exec(ctx)
		if err != nil {
			return fmt.Errorf("unassigning sun sources: %w", translate(err))
		}
		_, err = p.db.conn(ctx).NewDelete().Model((*groupRow)(nil)).
			Where("id = ? and owner_id = ?", id, owner).Exec(ctx)
		if err != nil {
			return fmt.Errorf("deleting a power group: %w", translate(err))
		}
		return nil
	})
}
