-- Replays the file, or the days from FROM to UNTIL, into a topic, in the order of event time (the file is sorted by it).
CREATE TEMPORARY TABLE flights_file (
  `date`      TIMESTAMP(3),
  delay       BIGINT,
  distance    BIGINT,
  origin      STRING,
  destination STRING
) WITH ('connector' = 'filesystem', 'path' = '${FILE}', 'format' = 'parquet');

CREATE TEMPORARY TABLE flights_topic (
  departed    TIMESTAMP(3),
  delay       BIGINT,
  distance    BIGINT,
  origin      STRING,
  destination STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '${TOPIC}',
  'properties.bootstrap.servers' = '${BOOTSTRAP}',
  'format' = 'json'
);

INSERT INTO flights_topic
SELECT * FROM flights_file WHERE `date` >= DATE '${FROM:-2001-01-01}' AND `date` < DATE '${UNTIL}';
