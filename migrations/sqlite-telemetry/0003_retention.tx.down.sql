drop index rollup_days_due;
alter table rollup_days drop column stage;
alter table rollup_days add column sealed integer not null default 0 check (sealed in (0, 1));
