-- Entries outlive the users and sources that they name.
create table audit_log (
    seq bigint generated always as identity primary key,
    at timestamptz not null,
    actor_id uuid not null,
    act text not null,
    subject uuid not null,
    detail text not null
);

create index audit_log_subject on audit_log (subject, at);
