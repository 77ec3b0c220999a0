create table changes (
    -- autoincrement: a seq is never used again, also after old rows are gone.
    seq integer not null primary key autoincrement,
    kind text not null,
    source_id text not null,
    at integer not null
) strict;
