-- No foreign key: a letter may come of a source that is gone, or of none.
create table dead_letters (
    id uuid primary key,
    -- All zeros when the source can't be told.
    source_id uuid not null,
    at timestamptz not null,
    origin text not null,
    topic text not null,
    reason text not null,
    raw bytea not null,
    truncated boolean not null
);

create index dead_letters_source_id on dead_letters (source_id, at, id);
create index dead_letters_at on dead_letters (at, id);

create function dead_letters_follow_source() returns trigger language plpgsql as $$
begin
    delete from dead_letters where source_id = old.id;
    return null;
end
$$;

create trigger sun_sources_dead_letters after delete on sun_sources
    for each row execute function dead_letters_follow_source();
