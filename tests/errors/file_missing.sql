SELECT * FROM '/no/such/folder/data.parquet' WHERE age > 30;
