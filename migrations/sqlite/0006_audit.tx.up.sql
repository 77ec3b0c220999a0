-- Entries outlive the users and sources that they name.
create table audit_log (
    seq integer primary key autoincrement,
    at integer not null,
    actor_id text not null,
    act text not null,
    subject text not null,
    detail text not null
) strict;

create index audit_log_subject on audit_log (subject, at);
