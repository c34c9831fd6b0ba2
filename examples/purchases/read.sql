CREATE CATALOG hdfs_lake WITH ('type' = 'iceberg', 'warehouse' = '${HDFS}/warehouse');

CREATE TEMPORARY TABLE purchase_files (window_start TIMESTAMP(3), user_id BIGINT, n BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${HDFS}/purchases', 'format' = 'csv');

SELECT * FROM purchase_files ORDER BY window_start, user_id;
SELECT * FROM hdfs_lake.shop.purchases_per_interval ORDER BY window_start, user_id;
