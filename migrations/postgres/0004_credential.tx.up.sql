create table credentials (
    id uuid primary key,
    source_id uuid not null references sun_sources (id) on delete cascade,
    kind text not null check (kind in ('MQTT', 'Webhook')),
    version integer not null,
    -- The digest of an MQTT key; null for a webhook secret.
    digest bytea,
    -- The secret, encrypted: key_id names the key, box has nonce and ciphertext.
    key_id text not null,
    box bytea not null,
    created_at timestamptz not null,
    valid_until timestamptz,
    last_used_at timestamptz,
    unique (source_id, version)
);

create index credentials_valid_until on credentials (valid_until) where valid_until is not null;
create index credentials_key_id on credentials (key_id, id);
