CREATE TEMPORARY TABLE t (a INT, ts TIMESTAMP(3), WATERMARK FOR tz AS tz) WITH ('connector' = 'datagen');
