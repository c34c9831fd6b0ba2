CREATE TEMPORARY TABLE bid (auction BIGINT, price BIGINT, channel STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
SELECT DISTINCT ON (channel) channel, price FROM bid;
