CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TEMPORARY TABLE out_t (auction BIGINT, price BIGINT) WITH ('connector' = 'print');
INSERT INTO out_t (auction, prise) SELECT auction, price FROM bid;
