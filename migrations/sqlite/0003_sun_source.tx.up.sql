create table sun_sources (
    id text not null primary key,
    owner_id text not null references users (id) on delete cascade,
    -- The MQTT client id, made from the first 8 hex digits of the id.
    client_id text not null unique,
    name text not null,
    description text,
    icon_url text,
    power_group_id text,
    connection_type text not null check (connection_type in ('MQTT', 'Webhook')),
    latitude real,
    longitude real,
    is_active integer not null check (is_active in (0, 1)),
    installed_capacity_watts real,
    currency text not null,
    -- Amounts are decimal texts: a number here would round them.
    system_cost text,
    maintenance_cost_per_year text,
    installation_date integer,
    created_at integer not null,
    updated_at integer not null,
    foreign key (power_group_id, owner_id) references power_groups (id, owner_id)
) strict;

create index sun_sources_owner_id on sun_sources (owner_id, created_at, id);
create index sun_sources_power_group_id on sun_sources (power_group_id, owner_id) where power_group_id is not null;

-- Deleted sources whose telemetry is still to be erased, in the order of seq.
create table telemetry_erasures (
    seq integer primary key autoincrement,
    source_id text not null unique
) strict;
