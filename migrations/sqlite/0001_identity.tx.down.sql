drop table setup_tokens;
drop table sign_in_attempts;
drop table api_tokens;
drop table sessions;
drop table users;
