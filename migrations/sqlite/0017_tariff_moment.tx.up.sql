-- Two prices of a source from the same moment on would leave open which holds.
drop index kwh_prices_source_id;
create unique index kwh_prices_source_id on kwh_prices (source_id, effective_from);
