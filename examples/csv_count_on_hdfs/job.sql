CREATE TEMPORARY TABLE lines (
  id       BIGINT,
  category STRING,
  amount   DOUBLE,
  at       TIMESTAMP(3),
  WATERMARK FOR at AS at
) WITH ('connector' = 'filesystem', 'path' = '${HDFS}/input', 'format' = 'csv');

CREATE TEMPORARY TABLE counts (
  category STRING,
  n        BIGINT
) WITH ('connector' = 'filesystem', 'path' = '${HDFS}/output', 'format' = 'csv');

-- One window over all time: a count that is final, so that files, which never take a row back, can hold it.
INSERT INTO counts
SELECT category, COUNT(*) FROM TABLE(TUMBLE(TABLE lines, DESCRIPTOR(at), INTERVAL '36500' DAY))
GROUP BY category, window_start, window_end;

SELECT category, n FROM counts ORDER BY category;
