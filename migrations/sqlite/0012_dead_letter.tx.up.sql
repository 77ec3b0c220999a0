-- No foreign key: a letter may come of a source that is gone, or of none.
create table dead_letters (
    id text not null primary key,
    -- All zeros when the source can't be told.
    source_id text not null,
    at integer not null,
    origin text not null,
    topic text not null,
    reason text not null,
    raw blob not null,
    truncated integer not null
) strict;

create index dead_letters_source_id on dead_letters (source_id, at, id);
create index dead_letters_at on dead_letters (at, id);

create trigger sun_sources_dead_letters after delete on sun_sources
begin
    delete from dead_letters where source_id = old.id;
end;
