-- What reading a letter's payload again depends on, and how much it was.
alter table dead_letters add column name text not null default '';
alter table dead_letters add column signed_at timestamptz;
alter table dead_letters add column kind text not null default 'other';
alter table dead_letters add column size integer not null default 0;
update dead_letters set size = length(raw);
