-- What a series' readings of a UTC day come to. Rows lie by series and day, so
-- that a year of one source is read in one go; the tiers, which are larger and
-- wanted by others, lie apart.
create table rollup_days (
    -- series * 2^24 + day + 2^23: see adapters/sqldb/rollup.go.
    id integer not null primary key,
    revision integer not null,
    -- Milliseconds since 1970.
    through integer not null,
    rolled_at integer not null,
    sealed integer not null check (sealed in (0, 1)),
    -- The digest of the state that the day was folded from.
    before blob not null check (length(before) = 16),
    state blob not null,
    energy blob not null
) strict;

create table rollup_tiers (
    id integer not null primary key,
    minutes blob not null,
    hours blob not null
) strict;

-- Days of which readings were written, or are about to be, that their rows may not
-- count.
create table rollup_marks (
    series integer not null,
    day integer not null,
    slot integer not null,
    -- Milliseconds since 1970: the earliest reading in question, when the mark may
    -- be taken, and until when somebody has it.
    earliest integer not null,
    ripe integer not null,
    leased_until integer not null,
    version integer not null,
    primary key (series, day, slot)
) strict, without rowid;

create index rollup_marks_ripe on rollup_marks (ripe);

create table rollup_notes (
    name text not null primary key
) strict, without rowid;
