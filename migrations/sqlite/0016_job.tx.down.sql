drop table job_refusals;
drop table jobs;
