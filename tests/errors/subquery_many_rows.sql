CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT b.auction, (SELECT c.price FROM bid AS c WHERE c.auction = b.price) AS price FROM bid AS b;
