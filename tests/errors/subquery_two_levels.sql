CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, tags ARRAY<STRING>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT auction FROM bid b WHERE EXISTS (SELECT 1 FROM bid c WHERE c.price = b.price AND EXISTS (SELECT 1 FROM bid d WHERE d.price = c.price AND d.auction = b.auction));
