-- A series is all that one source sent. Its short id stands in every row of
-- readings, and an erased source loses its readings at once by losing its series.
create table series (
    -- autoincrement: the id of an erased series never comes again.
    id integer not null primary key autoincrement,
    -- Null once the source is erased; its readings are then being deleted.
    source_id blob unique check (source_id is null or length(source_id) = 16)
) strict;

create table readings (
    series integer not null,
    -- Milliseconds since 1970.
    at integer not null,
    -- Milliseconds from at until it was received.
    received_after integer not null,
    -- The place in the journal of the newest delivery that is merged in.
    journal_partition integer not null,
    journal_offset integer not null,
    journal_index integer not null,
    -- What was measured, in the encoding of adapters/sqldb/archive_row.go.
    data blob not null,
    primary key (series, at)
) strict, without rowid;
