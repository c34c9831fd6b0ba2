CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TEMPORARY TABLE out_t (a BIGINT) WITH ('connector' = 'print');
INSERT INTO out_t SELECT auction FROM bid;
INSERT INTO out_t SELECT prise FROM bid;
