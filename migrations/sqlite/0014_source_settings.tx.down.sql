drop table explanations;
drop table source_settings;
