-- Where most time was lost.
CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://${LAKE}');
SELECT origin, SUM(flights) AS flights, SUM(total_delay) AS total_delay, MAX(worst) AS worst
FROM lake.air.delays
GROUP BY origin
ORDER BY total_delay DESC
LIMIT 10;
