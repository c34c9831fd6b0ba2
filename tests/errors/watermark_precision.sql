CREATE TEMPORARY TABLE t (a INT, ts TIMESTAMP(6), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
