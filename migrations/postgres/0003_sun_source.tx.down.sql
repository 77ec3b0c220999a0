drop table telemetry_erasures;
drop table sun_sources;
