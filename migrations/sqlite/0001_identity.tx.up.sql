-- Times are microseconds since 1970, ids are texts.
create table users (
    id text not null primary key,
    email text not null unique,
    password_hash text not null,
    first_name text,
    last_name text,
    role text not null check (role in ('User', 'Admin', 'Overseer')),
    created_at integer not null
) strict;

create index users_created_at on users (created_at, id);

create table sessions (
    digest blob not null primary key,
    user_id text not null references users (id) on delete cascade,
    created_at integer not null,
    expires_at integer not null
) strict;

create index sessions_user_id on sessions (user_id);
create index sessions_expires_at on sessions (expires_at);

create table api_tokens (
    id text not null primary key,
    user_id text not null references users (id) on delete cascade,
    name text not null,
    scopes text not null,
    digest blob not null unique,
    created_at integer not null,
    expires_at integer not null,
    last_used_at integer
) strict;

create index api_tokens_user_id on api_tokens (user_id, created_at, id);

create table sign_in_attempts (
    email_digest blob not null primary key,
    failures integer not null,
    last_at integer not null
) strict;

create index sign_in_attempts_last_at on sign_in_attempts (last_at);

-- At most one row.
create table setup_tokens (
    id integer not null primary key check (id = 1),
    digest blob not null
) strict;
