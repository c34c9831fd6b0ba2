CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TEMPORARY TABLE out_t (channel STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '/tmp/freshet-never-written', 'format' = 'csv');
INSERT INTO out_t SELECT channel, COUNT(*) FROM bid GROUP BY channel;
