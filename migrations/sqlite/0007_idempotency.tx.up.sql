create table idempotency_keys (
    -- A digest of the user, the method, the path and the key's text.
    key_digest blob not null primary key,
    user_id text not null references users (id) on delete cascade,
    body_digest blob not null,
    claimed_at integer not null,
    -- The answer, encrypted; null while the request is under way.
    sealed blob
) strict;

create index idempotency_keys_user_id on idempotency_keys (user_id);
create index idempotency_keys_claimed_at on idempotency_keys (claimed_at);
