CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://${LAKE}');
SELECT * FROM lake.air.delays;
