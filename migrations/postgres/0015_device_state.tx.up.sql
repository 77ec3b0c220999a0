-- What is known of each source's device. A source without a row was never heard.
create table device_states (
    source_id uuid primary key references sun_sources (id) on delete cascade,
    state text not null check (state in ('online', 'late', 'offline', 'asleep')),
    since timestamptz not null,
    last_seen_at timestamptz not null,
    -- When silence may change the state, null for never.
    check_at timestamptz,
    -- What was learnt of how the device speaks, see core/device.
    pulse bytea not null,
    -- The newest powers in watts.
    solar_watts double precision,
    ac_watts double precision,
    grid_watts double precision,
    load_watts double precision,
    battery_watts double precision,
    -- How many changes of it are in the history, about: it is counted up here and
    -- put right when the history is shortened.
    changes integer not null
) with (fillfactor = 70);

create index device_states_check_at on device_states (check_at) where check_at is not null;

create table device_changes (
    source_id uuid not null references sun_sources (id) on delete cascade,
    since timestamptz not null,
    state text not null,
    was text not null,
    primary key (source_id, since)
);

create index device_changes_since on device_changes (since);

-- Processes that hear readings as they come.
create table device_listeners (
    process_id uuid primary key,
    since timestamptz not null,
    heard_at timestamptz not null
);

-- Names as they are searched and sorted by: small letters, Latin ones without
-- marks, so as bytes. Null until a process has written them.
alter table sun_sources add column name_key text collate "C", add column description_key text collate "C";
create index sun_sources_name_key on sun_sources (owner_id, name_key, id);
create index sun_sources_without_name_key on sun_sources (id) where name_key is null;
