create table jobs (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    source_id uuid not null references sun_sources (id) on delete cascade,
    kind text not null,
    state text not null check (state in ('queued', 'running', 'done', 'failed')),
    progress double precision not null,
    row_count bigint not null,
    accepted bigint not null,
    rejected bigint not null,
    skipped bigint not null,
    -- Lists of a few entries, as JSON.
    warnings text not null,
    first_problems text not null,
    failure text not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    -- When a job that has not ended is given up.
    lease_until timestamptz not null
);

create index jobs_owner_id on jobs (owner_id, created_at, id);
create index jobs_source_id on jobs (source_id);

create table job_refusals (
    seq bigint generated always as identity primary key,
    job_id uuid not null references jobs (id) on delete cascade,
    line bigint not null,
    column_name text not null,
    problem text not null,
    row_text text not null
);

create index job_refusals_job_id on job_refusals (job_id, seq);
