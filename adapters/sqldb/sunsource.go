package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/uptrace/bun"

	"ampra/core/fault"
	"ampra/core/sunsource"
)

var _ sunsource.Repository = (*SunSources)(nil)

// SunSources keeps sun sources.
type SunSources struct{ db *DB }

// NewSunSources returns the sun sources in db.
func NewSunSources(db *DB) *SunSources { return &SunSources{db} }

type sourceRow struct {
	bun.BaseModel `bun:"table:sun_sources,alias:s"`

	ID                     uuid.UUID                `bun:"id,pk"`
	OwnerID                uuid.UUID                `bun:"owner_id"`
	ClientID               string                   `bun:"client_id"`
	Name                   string                   `bun:"name"`
	Description            *string                  `bun:"description"`
	IconURL                *string                  `bun:"icon_url"`
	PowerGroupID           *uuid.UUID               `bun:"power_group_id"`
	PowerGroupName         *string                  `bun:"power_group_name,scanonly"`
	ConnectionType         sunsource.ConnectionType `bun:"connection_type"`
	Latitude               *float64                 `bun:"latitude"`
	Longitude              *float64                 `bun:"longitude"`
	IsActive               bool                     `bun:"is_active"`
	InstalledCapacityWatts *float64                 `bun:"installed_capacity_watts"`
	Currency               string                   `bun:"currency"`
	SystemCost             *decimal.Decimal         `bun:"system_cost"`
	MaintenanceCostPerYear *decimal.Decimal         `bun:"maintenance_cost_per_year"`
	InstallationDate       *instant                 `bun:"installation_date"`
	CreatedAt              instant                  `bun:"created_at"`
	UpdatedAt              instant                  `bun:"updated_at"`
	// What name and description are searched and sorted by.
	NameKey        *string `bun:"name_key"`
	DescriptionKey *string `bun:"description_key"`
}

// changeable are the columns that an update writes. The rest never changes.
func changeable() []string {
	return []string{
		"name", "description", "icon_url", "power_group_id", "latitude", "longitude", "is_active",
		"installed_capacity_watts", "currency", "system_cost", "maintenance_cost_per_year",
		"installation_date", "updated_at", "name_key", "description_key",
	}
}

func sourceToRow(s sunsource.SunSource) *sourceRow {
	return &sourceRow{
		ID: s.ID, OwnerID: s.OwnerID, ClientID: s.ClientID(), Name: s.Name, Description: s.Description,
		IconURL: s.IconURL, PowerGroupID: s.PowerGroupID, ConnectionType: s.ConnectionType,
		Latitude: s.Latitude, Longitude: s.Longitude, IsActive: s.IsActive,
		InstalledCapacityWatts: s.InstalledCapacityWatts, Currency: s.Currency,
		SystemCost: s.SystemCost, MaintenanceCostPerYear: s.MaintenanceCostPerYear,
		InstallationDate: maybeAt(s.InstallationDate), CreatedAt: at(s.CreatedAt), UpdatedAt: at(s.UpdatedAt),
		NameKey: new(sunsource.Fold(s.Name)), DescriptionKey: folded(s.Description),
	}
}

func (r *sourceRow) source() sunsource.SunSource {
	return sunsource.SunSource{
		ID: r.ID, OwnerID: r.OwnerID, Name: r.Name, Description: r.Description, IconURL: r.IconURL,
		PowerGroupID: r.PowerGroupID, PowerGroupName: r.PowerGroupName, ConnectionType: r.ConnectionType,
		Latitude: r.Latitude, Longitude: r.Longitude, IsActive: r.IsActive,
		InstalledCapacityWatts: r.InstalledCapacityWatts, Currency: r.Currency,
		SystemCost: r.SystemCost, MaintenanceCostPerYear: r.MaintenanceCostPerYear,
		InstallationDate: r.InstallationDate.maybeTime(), CreatedAt: r.CreatedAt.at, UpdatedAt: r.UpdatedAt.at,
	}
}

// Create stores a new source. A Conflict, which leaves the transaction usable,
// says that the client id is taken.
func (s *SunSources) Create(ctx context.Context, source sunsource.SunSource) error {
	n, err := affected(s.db.conn(ctx).NewInsert().Model(sourceToRow(source)).On("conflict do nothing").Exec(ctx))
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "The client id %s is taken.", source.ClientID())
	}
	if err != nil {
		return fmt.Errorf("storing a sun source: %w", foreignGroup(err, source))
	}
	return nil
}

// foreignGroup makes a fault of a power group that is not there, or not the
// owner's.
func foreignGroup(err error, s sunsource.SunSource) error {
	if s.PowerGroupID == nil || !isForeignKey(err) {
		return err
	}
	var f fault.Fields
	f.Add("powerGroupId", "must be one of your power groups")
	return f.Err()
}

// Get returns one source, or NotFound.
func (s *SunSources) Get(ctx context.Context, owner, id uuid.UUID) (sunsource.SunSource, error) {
	var row sourceRow
	err := s.query(ctx, &row).Where("s.id = ? and s.owner_id = ?", id, owner).Scan(ctx)
	if err != nil {
		return sunsource.SunSource{}, fmt.Errorf("reading a sun source: %w", found(err, "sun source"))
	}
	return row.source(), nil
}

func (s *SunSources) query(ctx context.Context, rows any) *bun.SelectQuery {
	return s.db.reader(ctx).NewSelect().Model(rows).ColumnExpr("s.*").
		ColumnExpr("g.name as power_group_name").Join("left join power_groups as g on g.id = s.power_group_id")
}

// List returns the owner's sources by creation time, then id.
func (s *SunSources) List(ctx context.Context, owner uuid.UUID, filter sunsource.Filter, page sunsource.Page) ([]sunsource.SunSource, error) {
	matching := func(q *bun.SelectQuery) *bun.SelectQuery {
		q = q.Where("s.owner_id = ?", owner)
		if filter.PowerGroupID != nil {
			q = q.Where("s.power_group_id = ?", *filter.PowerGroupID)
		}
		return q
	}
	q := matching(s.listQuery(ctx)).OrderExpr("s.created_at, s.id")
	if page.After != uuid.Nil {
		var last sourceRow
		err := matching(s.db.reader(ctx).NewSelect().Model(&last).Column("created_at")).Where("s.id = ?", page.After).Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("finding the page: %w", foundCursor(err))
		}
		q = q.Where("(s.created_at, s.id) > (?, ?)", last.CreatedAt, page.After)
	}
	if page.Limit > 0 {
		q = q.Limit(int64(page.Limit))
	}
	sources, err := scanSources(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("listing sun sources: %w", translate(err))
	}
	return sources, nil
}

// listQuery asks for the columns in the order of scanSources.
func (s *SunSources) listQuery(ctx context.Context) *bun.SelectQuery {
	return s.db.reader(ctx).NewSelect().TableExpr("sun_sources as s").
		ColumnExpr("s.id, s.owner_id, s.name, s.description, s.icon_url, s.power_group_id, g.name, s.connection_type").
		ColumnExpr("s.latitude, s.longitude, s.is_active, s.installed_capacity_watts, s.currency, s.system_cost").
		ColumnExpr("s.maintenance_cost_per_year, s.installation_date, s.created_at, s.updated_at").
		Join("left join power_groups as g on g.id = s.power_group_id")
}

// scanSources reads rows by itself: Bun finds each column of each row by its
// name, which is felt where an owner has thousands.
func scanSources(ctx context.Context, q *bun.SelectQuery) ([]sunsource.SunSource, error) {
	rows, err := q.Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what it would say, rows.Err has said
	list := []sunsource.SunSource{}
	for rows.Next() {
		var r sourceRow
		if err := rows.Scan(r.listed()...); err != nil {
			return nil, err
		}
		list = append(list, r.source())
	}
	return list, rows.Err()
}

// listed is where the columns of listQuery go.
func (r *sourceRow) listed() []any {
	return []any{
		&r.ID, &r.OwnerID, &r.Name, &r.Description, &r.IconURL, &r.PowerGroupID, &r.PowerGroupName, &r.ConnectionType,
		&r.Latitude, &r.Longitude, &r.IsActive, &r.InstalledCapacityWatts, &r.Currency, &r.SystemCost,
		&r.MaintenanceCostPerYear, &r.InstallationDate, &r.CreatedAt, &r.UpdatedAt,
	}
}

func foundCursor(err error) error {
	if !errors.Is(err, sql.ErrNoRows) {
		return translate(err)
	}
	var f fault.Fields
	f.Add("cursor", "is not in the list any more")
	return f.Err()
}

// Update loads, lets change decide, and saves, in one transaction that keeps
// other updates of the source out.
func (s *SunSources) Update(ctx context.Context, owner, id uuid.UUID, change func(*sunsource.SunSource) error) (sunsource.SunSource, error) {
	var saved sunsource.SunSource
	err := s.db.Run(ctx, func(ctx context.Context) error {
		if err := s.lock(ctx, owner, id); err != nil {
			return err
		}
		source, err := s.Get(ctx, owner, id)
		if err != nil {
			return err
		}
		if err := change(&source); err != nil {
			return err
		}
		result, err := s.db.conn(ctx).NewUpdate().Model(sourceToRow(source)).Column(changeable()...).
			Where("id = ? and owner_id = ?", id, owner).Exec(ctx)
		if err := affectedOne(result, err, "sun source"); err != nil {
			return fmt.Errorf("storing a sun source: %w", foreignGroup(err, source))
		}
		saved, err = s.Get(ctx, owner, id)
		return err
	})
	return saved, err
}

// lock keeps other transactions from changing the source until this one ends.
func (s *SunSources) lock(ctx context.Context, owner, id uuid.UUID) error {
	var row sourceRow
	err := s.db.conn(ctx).NewSelect().Model(&row).Column("id").
		Where("s.id = ? and s.owner_id = ?", id, owner).Apply(s.db.locking).Scan(ctx)
	if err != nil {
		return fmt.Errorf("locking a sun source: %w", found(err, "sun source"))
	}
	return nil
}

// Delete removes the source with all that hangs on it, by the tables' foreign
// keys, and notes that its telemetry is to be erased.
func (s *SunSources) Delete(ctx context.Context, owner, id uuid.UUID) error {
	return s.db.Run(ctx, func(ctx context.Context) error {
		result, err := s.db.conn(ctx).NewDelete().Model((*sourceRow)(nil)).
			Where("id = ? and owner_id = ?", id, owner).Exec(ctx)
		if err := affectedOne(result, err, "sun source"); err != nil {
			return fmt.Errorf("deleting a sun source: %w", err)
		}
		return noteErasure(ctx, s.db, id)
	})
}
