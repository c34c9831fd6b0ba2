CREATE TEMPORARY TABLE result (auction BIGINT, bidder BIGINT, price BIGINT, t TIMESTAMP(3), extra STRING) WITH ('connector' = '${SINK}');
INSERT INTO result
SELECT auction, bidder, price, `dateTime`, extra FROM bid;
