CREATE CATALOG hdfs_lake WITH ('type' = 'iceberg', 'warehouse' = '${HDFS}/warehouse');

SELECT name, COUNT(*) AS n, SUM(amount) AS total FROM hdfs_lake.demo.hdfs_table GROUP BY name ORDER BY name;
