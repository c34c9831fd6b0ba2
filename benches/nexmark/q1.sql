CREATE TEMPORARY TABLE result (auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), t TIMESTAMP(3), extra STRING) WITH ('connector' = '${SINK}');
INSERT INTO result
SELECT auction, bidder, 0.908 * price, `dateTime`, extra FROM bid;
