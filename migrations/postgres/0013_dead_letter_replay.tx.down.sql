alter table dead_letters drop column size;
alter table dead_letters drop column kind;
alter table dead_letters drop column signed_at;
alter table dead_letters drop column name;
