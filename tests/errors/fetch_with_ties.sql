CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, tags ARRAY<STRING>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT auction FROM bid ORDER BY price FETCH FIRST 3 ROWS WITH TIES;
