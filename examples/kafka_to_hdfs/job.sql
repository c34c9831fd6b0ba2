CREATE CATALOG hdfs_lake WITH ('type' = 'iceberg', 'warehouse' = '${HDFS}/warehouse');
CREATE DATABASE IF NOT EXISTS hdfs_lake.demo;
USE hdfs_lake.demo;

CREATE TEMPORARY TABLE kafka_table (
  id     BIGINT,
  name   STRING,
  amount DECIMAL(10, 2)
) WITH (
  'connector' = 'kafka',
  'topic' = 'test_topic',
  'startup-mode' = 'earliest-offset',
  'properties.group.id' = 'test_group',
  'properties.bootstrap.servers' = '${BOOTSTRAP}'
);

CREATE TABLE IF NOT EXISTS hdfs_table (id BIGINT, name STRING, amount DECIMAL(10, 2));

INSERT INTO hdfs_table SELECT * FROM kafka_table;
