CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING, tags ARRAY<STRING>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT b.auction FROM bid b LEFT JOIN bid c ON c.price = b.price AND EXISTS (SELECT 1 FROM bid d WHERE d.price = c.price);
