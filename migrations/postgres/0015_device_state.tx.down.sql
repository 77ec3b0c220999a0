drop index sun_sources_without_name_key;
drop index sun_sources_name_key;
alter table sun_sources drop column name_key, drop column description_key;
drop table device_listeners;
drop table device_changes;
drop table device_states;
