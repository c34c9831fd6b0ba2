CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT window_end FROM TABLE(TUMBEL(TABLE bid, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
