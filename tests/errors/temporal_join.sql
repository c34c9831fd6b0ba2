CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT b.auction FROM bid AS b JOIN bid FOR SYSTEM_TIME AS OF b.ts AS v ON b.auction = v.auction;
