CREATE TEMPORARY TABLE result (auction BIGINT, n BIGINT) WITH ('connector' = '${SINK}');
INSERT INTO result
SELECT a.auction, a.num FROM (SELECT auction, COUNT(*) AS num, window_start AS s, window_end AS e FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) a
JOIN (SELECT MAX(num) AS maxn, s, e FROM (SELECT COUNT(*) AS num, window_start AS s, window_end AS e FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) c GROUP BY s, e) m
ON a.s = m.s AND a.e = m.e AND a.num >= m.maxn;
