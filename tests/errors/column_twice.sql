CREATE TEMPORARY TABLE t (a INT, a STRING) WITH ('connector' = 'datagen');
