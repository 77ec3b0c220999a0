drop table readings;
drop table series;
