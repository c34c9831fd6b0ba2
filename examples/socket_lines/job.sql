CREATE TEMPORARY TABLE lines (
  line STRING,
  at   AS CAST(LOCALTIMESTAMP AS TIMESTAMP(3)),
  WATERMARK FOR at AS at
) WITH ('connector' = 'socket', 'hostname' = '127.0.0.1', 'port' = '${PORT}', 'format' = 'raw');

SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE lines, DESCRIPTOR(at), INTERVAL '1' SECOND))
GROUP BY window_start, window_end;
