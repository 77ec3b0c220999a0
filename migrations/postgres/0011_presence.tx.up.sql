-- Which sources have devices connected, as each process last told. SQLite has no
-- such tables: there is one process, and it remembers by itself.
create table presence_processes (
    id uuid primary key,
    -- By the process's own clock.
    seen_at timestamptz not null
);

create table presence_sessions (
    process_id uuid not null references presence_processes (id) on delete cascade,
    source_id uuid not null,
    sessions integer not null,
    primary key (source_id, process_id)
);

create index presence_sessions_process_id on presence_sessions (process_id);
