drop table feed_members;
drop table changes;
