drop table kwh_prices;
