drop trigger sun_sources_dead_letters;
drop table dead_letters;
