drop table presence_sessions;
drop table presence_processes;
