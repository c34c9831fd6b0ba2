-- What `freshet demo` runs: this machine's figures, every 500 ms.
CREATE TEMPORARY TABLE figures (
  ts     TIMESTAMP(3),
  host   STRING,
  kind   STRING,
  name   STRING,
  metric STRING,
  `value` DOUBLE,
  unit   STRING,
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'host', 'interval' = '500 ms');

-- A small dimension table: what each figure is called, and from where on it is worth a line.
CREATE TEMPORARY VIEW limits AS
SELECT * FROM (VALUES
  ('cpu',    'usage', 'CPU usage',         90.0),
  ('memory', 'usage', 'memory in use',     90.0),
  ('disk',   'usage', 'disk space in use', 95.0)
) AS l (kind, metric, title, worth_a_line);

CREATE TABLE IF NOT EXISTS host_load (
  window_start TIMESTAMP(3),
  window_end   TIMESTAMP(3),
  host         STRING,
  kind         STRING,
  name         STRING,
  title        STRING,
  samples      BIGINT,
  average      DOUBLE,
  highest      DOUBLE
);

CREATE TEMPORARY TABLE watch (
  window_end TIMESTAMP(3), title STRING, name STRING, average DOUBLE, highest DOUBLE
) WITH ('connector' = 'print');

CREATE TEMPORARY TABLE alarm (
  window_end TIMESTAMP(3), text STRING
) WITH ('connector' = 'print', 'print-identifier' = 'ALARM');

CREATE TEMPORARY VIEW load AS
SELECT window_start, window_end, host, kind, name, metric,
       COUNT(*) AS samples, AVG(`value`) AS average, MAX(`value`) AS highest
FROM TABLE(TUMBLE(TABLE figures, DESCRIPTOR(ts), INTERVAL '2' SECOND))
WHERE unit = 'percent'
GROUP BY window_start, window_end, host, kind, name, metric;

CREATE TEMPORARY VIEW named_load AS
SELECT f.window_start, f.window_end, f.host, f.kind, f.name, l.title, f.samples, f.average, f.highest, l.worth_a_line
FROM load f JOIN limits l ON f.kind = l.kind AND f.metric = l.metric;

SET 'execution.checkpointing.interval' = '2 s';

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO host_load SELECT window_start, window_end, host, kind, name, title, samples, average, highest FROM named_load;
  INSERT INTO watch     SELECT window_end, title, name, ROUND(average, 1), ROUND(highest, 1) FROM named_load;
  INSERT INTO alarm     SELECT window_end, title || ' of ' || name || ' reached ' || CAST(ROUND(highest, 1) AS STRING) || ' %'
                        FROM named_load WHERE highest >= worth_a_line;
END;
