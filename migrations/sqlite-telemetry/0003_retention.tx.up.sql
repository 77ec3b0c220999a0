-- What is left of a day: all of it (0), no readings that it could be made of anew (1),
-- none at all (2), no slots of five minutes either (3).
alter table rollup_days drop column sealed;

alter table rollup_days add column stage integer not null default 0 check (stage between 0 and 3);

-- Days by stage, as they grow old: see rollup.Keeping.
create index rollup_days_due on rollup_days (stage, id & 16777215, id, rolled_at);
