SELECT * FROM 'data_lake/data.parquet' WHERE age > 30;
SELECT * FROM 'data_lake/data.avro' WHERE age > 30;
