CREATE CATALOG hdfs_lake WITH ('type' = 'iceberg', 'warehouse' = '${HDFS}/warehouse');
CREATE DATABASE IF NOT EXISTS hdfs_lake.shop;

CREATE TEMPORARY TABLE events (
  user_id BIGINT,
  action  STRING,
  item    STRING,
  at      TIMESTAMP(3),
  WATERMARK FOR at AS at - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'events',
  'properties.bootstrap.servers' = '${BOOTSTRAP}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'json'
);

CREATE TEMPORARY VIEW purchases AS SELECT user_id, at FROM events WHERE action = 'buy';

CREATE TEMPORARY TABLE purchase_files (window_start TIMESTAMP(3), user_id BIGINT, n BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${HDFS}/purchases', 'format' = 'csv');

CREATE TABLE IF NOT EXISTS hdfs_lake.shop.purchases_per_interval (window_start TIMESTAMP(3), user_id BIGINT, n BIGINT);

CREATE TEMPORARY TABLE running (user_id BIGINT, n BIGINT) WITH ('connector' = 'print');

CREATE TEMPORARY VIEW per_interval AS
SELECT window_start, user_id, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE purchases, DESCRIPTOR(at), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, user_id;

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO purchase_files SELECT window_start, user_id, n FROM per_interval;
  INSERT INTO hdfs_lake.shop.purchases_per_interval SELECT window_start, user_id, n FROM per_interval;
  INSERT INTO running SELECT user_id, COUNT(*) FROM purchases GROUP BY user_id;
END;
