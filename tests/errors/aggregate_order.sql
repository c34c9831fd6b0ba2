CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT channel, FIRST_VALUE(price ORDER BY auction) AS price FROM bid GROUP BY channel;
