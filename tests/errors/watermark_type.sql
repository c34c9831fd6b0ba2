CREATE TEMPORARY TABLE t (a INT, ts STRING, WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
