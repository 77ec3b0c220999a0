drop index kwh_prices_source_id;
create index kwh_prices_source_id on kwh_prices (source_id, effective_from, created_at, id);
