create table kwh_prices (
    id uuid primary key,
    source_id uuid not null references sun_sources (id) on delete cascade,
    price_per_kwh numeric not null,
    feed_in_price_per_kwh numeric,
    effective_from timestamptz not null,
    created_at timestamptz not null
);

create index kwh_prices_source_id on kwh_prices (source_id, effective_from, created_at, id);
