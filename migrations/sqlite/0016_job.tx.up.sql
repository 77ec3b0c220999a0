create table jobs (
    id text not null primary key,
    owner_id text not null references users (id) on delete cascade,
    source_id text not null references sun_sources (id) on delete cascade,
    kind text not null,
    state text not null check (state in ('queued', 'running', 'done', 'failed')),
    progress real not null,
    row_count integer not null,
    accepted integer not null,
    rejected integer not null,
    skipped integer not null,
    -- Lists of a few entries, as JSON.
    warnings text not null,
    first_problems text not null,
    failure text not null,
    created_at integer not null,
    started_at integer,
    ended_at integer,
    -- When a job that has not ended is given up.
    lease_until integer not null
) strict;

create index jobs_owner_id on jobs (owner_id, created_at, id);
create index jobs_source_id on jobs (source_id);

create table job_refusals (
    seq integer primary key autoincrement,
    job_id text not null references jobs (id) on delete cascade,
    line integer not null,
    column_name text not null,
    problem text not null,
    row_text text not null
) strict;

create index job_refusals_job_id on job_refusals (job_id, seq);
