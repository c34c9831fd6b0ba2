SET 'execution.checkpointing.interval' = '${CHECKPOINTS:-1 s}';

CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://${LAKE}');
CREATE DATABASE IF NOT EXISTS lake.air;

CREATE TEMPORARY TABLE flights (
  departed    TIMESTAMP(3),
  delay       BIGINT,
  origin      STRING,
  WATERMARK FOR departed AS departed - INTERVAL '1' HOUR
) WITH (
  'connector' = 'kafka',
  'topic' = '${TOPIC}',
  'properties.bootstrap.servers' = '${BOOTSTRAP}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${BOUNDED:-latest-offset}',
  'format' = 'json'
);

CREATE TABLE IF NOT EXISTS lake.air.delays (
  origin       STRING,
  window_start TIMESTAMP(3),
  flights      BIGINT,
  total_delay  BIGINT,
  worst        BIGINT
);

INSERT INTO lake.air.delays
SELECT origin, window_start, COUNT(*), SUM(delay), MAX(delay)
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(departed), INTERVAL '1' HOUR))
GROUP BY origin, window_start, window_end;
