WITH w AS (
  SELECT auction, time_bucket(INTERVAL '2 seconds', "dateTime") - r.i AS s, COUNT(*) AS num
  FROM bid CROSS JOIN (VALUES (INTERVAL '0 seconds'), (INTERVAL '2 seconds'), (INTERVAL '4 seconds'), (INTERVAL '6 seconds'), (INTERVAL '8 seconds')) AS r(i)
  GROUP BY auction, time_bucket(INTERVAL '2 seconds', "dateTime") - r.i)
SELECT w.auction, w.num FROM w JOIN (SELECT s, MAX(num) AS maxn FROM w GROUP BY s) m ON w.s = m.s AND w.num >= m.maxn
