create table power_groups (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    name text not null,
    description text,
    logo_url text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    -- Sources point to both, so that no source gets another owner's group.
    unique (id, owner_id)
);

create index power_groups_owner_id on power_groups (owner_id, created_at, id);
