SELECT * FROM '${DIR}/data_lake/data.parquet' WHERE age > 30;
