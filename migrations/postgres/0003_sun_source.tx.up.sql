create table sun_sources (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    -- The MQTT client id, made from the first 8 hex digits of the id.
    client_id text not null unique,
    name text not null,
    description text,
    icon_url text,
    power_group_id uuid,
    connection_type text not null check (connection_type in ('MQTT', 'Webhook')),
    latitude double precision,
    longitude double precision,
    is_active boolean not null,
    installed_capacity_watts double precision,
    currency text not null,
    system_cost numeric,
    maintenance_cost_per_year numeric,
    installation_date timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    foreign key (power_group_id, owner_id) references power_groups (id, owner_id)
);

create index sun_sources_owner_id on sun_sources (owner_id, created_at, id);
create index sun_sources_power_group_id on sun_sources (power_group_id) where power_group_id is not null;

-- Deleted sources whose telemetry is still to be erased, in the order of seq.
create table telemetry_erasures (
    seq bigint generated always as identity primary key,
    source_id uuid not null unique
);
