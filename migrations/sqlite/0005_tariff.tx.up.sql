create table kwh_prices (
    id text not null primary key,
    source_id text not null references sun_sources (id) on delete cascade,
    price_per_kwh text not null,
    feed_in_price_per_kwh text,
    effective_from integer not null,
    created_at integer not null
) strict;

create index kwh_prices_source_id on kwh_prices (source_id, effective_from, created_at, id);
