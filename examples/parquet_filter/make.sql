CREATE TEMPORARY VIEW people AS
SELECT name, age, city FROM (VALUES
  ('Ada', 36, 'London'),
  ('Blaise', 19, 'Rouen'),
  ('Carl', 30, 'Göttingen'),
  ('Émilie', 42, NULL),
  ('Grace', NULL, 'Arlington'),
  ('Kurt', 31, 'Brno')
) AS people (name, age, city);

CREATE TEMPORARY TABLE parquet_files (name STRING, age INT, city STRING)
WITH ('connector' = 'filesystem', 'path' = '${DIR}/parquet', 'format' = 'parquet');

CREATE TEMPORARY TABLE avro_files (name STRING, age INT, city STRING)
WITH ('connector' = 'filesystem', 'path' = '${DIR}/avro', 'format' = 'avro');

INSERT INTO parquet_files SELECT * FROM people;
INSERT INTO avro_files SELECT * FROM people;
