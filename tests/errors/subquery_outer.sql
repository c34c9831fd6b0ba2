CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT * FROM bid AS b WHERE EXISTS (SELECT 1 FROM bid AS c WHERE c.auction = b.price UNION ALL SELECT 1 FROM bid AS d WHERE d.price = b.auction);
