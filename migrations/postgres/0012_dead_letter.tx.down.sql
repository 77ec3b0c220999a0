drop trigger sun_sources_dead_letters on sun_sources;
drop function dead_letters_follow_source();
drop table dead_letters;
