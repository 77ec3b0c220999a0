create table credentials (
    id text not null primary key,
    source_id text not null references sun_sources (id) on delete cascade,
    kind text not null check (kind in ('MQTT', 'Webhook')),
    version integer not null,
    -- The digest of an MQTT key; null for a webhook secret.
    digest blob,
    -- The secret, encrypted: key_id names the key, box has nonce and ciphertext.
    key_id text not null,
    box blob not null,
    created_at integer not null,
    valid_until integer,
    last_used_at integer,
    unique (source_id, version)
) strict;

create index credentials_valid_until on credentials (valid_until) where valid_until is not null;
create index credentials_key_id on credentials (key_id, id);
