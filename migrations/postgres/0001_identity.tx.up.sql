create table users (
    id uuid primary key,
    email text not null unique,
    password_hash text not null,
    first_name text,
    last_name text,
    role text not null check (role in ('User', 'Admin', 'Overseer')),
    created_at timestamptz not null
);

create index users_created_at on users (created_at, id);

create table sessions (
    digest bytea primary key,
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

create index sessions_user_id on sessions (user_id);
create index sessions_expires_at on sessions (expires_at);

create table api_tokens (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    name text not null,
    scopes text not null,
    digest bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    last_used_at timestamptz
);

create index api_tokens_user_id on api_tokens (user_id, created_at, id);

create table sign_in_attempts (
    email_digest bytea primary key,
    failures integer not null,
    last_at timestamptz not null
);

create index sign_in_attempts_last_at on sign_in_attempts (last_at);

-- At most one row.
create table setup_tokens (
    id smallint primary key check (id = 1),
    digest bytea not null
);
