SHOW TABLES FROM default_databse;
