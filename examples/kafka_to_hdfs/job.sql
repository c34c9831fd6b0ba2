CREATE CATALOG hdfs_lake WITH ('type' = 'iceberg', 'warehouse' = '${HDFS}/warehouse');
CREATE DATABASE IF NOT EXISTS hdfs_lake.demo;

CREATE TEMPORARY TABLE kafka_table (
  id     BIGINT,
  name   STRING,
  amount DECIMAL(10, 2)
) WITH (
  'connector' = 'kafka',
  'topic' = 'test_topic',
  'startup-mode' = 'earliest-offset',
  'properties.group.id' = 'freshet-example',
  'properties.bootstrap.servers' = '${BOOTSTRAP}',
  'scan.bounded.mode' = 'latest-offset'
);

CREATE TABLE IF NOT EXISTS hdfs_lake.demo.hdfs_table (id BIGINT, name STRING, amount DECIMAL(10, 2));

INSERT INTO hdfs_lake.demo.hdfs_table SELECT * FROM kafka_table;

SELECT name, COUNT(*) AS n, SUM(amount) AS total FROM hdfs_lake.demo.hdfs_table GROUP BY name ORDER BY name;
