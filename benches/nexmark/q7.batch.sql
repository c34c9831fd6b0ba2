SELECT B.auction, B.price, B.bidder, B."dateTime"
FROM bid B JOIN (
  SELECT MAX(price) AS maxprice, time_bucket(INTERVAL '10 seconds', "dateTime") + INTERVAL '10 seconds' AS e
  FROM bid GROUP BY time_bucket(INTERVAL '10 seconds', "dateTime") + INTERVAL '10 seconds') m
ON B.price = m.maxprice AND B."dateTime" BETWEEN m.e - INTERVAL '10 seconds' AND m.e
