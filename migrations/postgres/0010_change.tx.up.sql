create table changes (
    -- Drawn under a lock that is held until the commit: seq grows as commits do.
    seq bigint generated always as identity primary key,
    kind text not null,
    source_id uuid not null,
    at timestamptz not null default clock_timestamp()
);

-- The processes that follow the changes.
create table feed_members (
    id uuid primary key,
    applied_seq bigint not null,
    -- By the server's clock. Once it is over the process trusts nothing.
    lease_until timestamptz not null
);
