drop table power_groups;
