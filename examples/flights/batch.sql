-- The same question, asked of the file.
CREATE TEMPORARY TABLE flights (
  `date` TIMESTAMP(3),
  delay  BIGINT,
  origin STRING
) WITH ('connector' = 'filesystem', 'path' = '${FILE}', 'format' = 'parquet');

SELECT origin, FLOOR(`date` TO HOUR) AS window_start, COUNT(*) AS flights, SUM(delay) AS total_delay, MAX(delay) AS worst
FROM flights
WHERE `date` < DATE '${UNTIL}'
GROUP BY origin, FLOOR(`date` TO HOUR);
