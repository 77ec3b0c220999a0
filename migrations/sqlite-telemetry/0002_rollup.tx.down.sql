drop table rollup_notes;
drop table rollup_marks;
drop table rollup_tiers;
drop table rollup_days;
