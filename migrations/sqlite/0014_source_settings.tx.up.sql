-- What owners decided about how a source's data is understood. A source of which
-- nothing was decided has no row.
create table source_settings (
    source_id text not null primary key references sun_sources (id) on delete cascade,
    time_zone text,
    meter text not null default '',
    payload_profile text,
    payload_overrides text not null default '[]'
) strict;

-- Which rule gave each field of what a source sent last: an object by field.
create table explanations (
    source_id text not null primary key references sun_sources (id) on delete cascade,
    fields text not null
) strict;
