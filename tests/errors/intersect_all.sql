CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT auction FROM bid INTERSECT ALL SELECT price FROM bid;
