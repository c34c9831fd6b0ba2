CREATE TEMPORARY TABLE result (auction BIGINT, price BIGINT, bidder BIGINT, t TIMESTAMP(3)) WITH ('connector' = '${SINK}');
INSERT INTO result
SELECT B.auction, B.price, B.bidder, B.`dateTime` FROM bid B JOIN (SELECT MAX(price) AS maxprice, window_end AS e FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY window_start, window_end) B1
ON B.price = B1.maxprice WHERE B.`dateTime` BETWEEN B1.e - INTERVAL '10' SECOND AND B1.e;
