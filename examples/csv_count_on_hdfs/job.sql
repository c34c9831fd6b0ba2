-- Counts are written when they are final, as the input ends: in the streaming mode they would be taken back again and again.
SET 'execution.runtime-mode' = 'batch';

CREATE TEMPORARY TABLE lines (
  id       BIGINT,
  category STRING,
  amount   DECIMAL(10, 2),
  at       TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '${HDFS}/input', 'format' = 'csv');

CREATE TEMPORARY TABLE counts (
  category STRING,
  n        BIGINT
) WITH ('connector' = 'filesystem', 'path' = '${HDFS}/output', 'format' = 'csv');

INSERT INTO counts SELECT category, COUNT(*) FROM lines GROUP BY category;

SELECT category, n FROM counts ORDER BY category;
