CREATE TEMPORARY TABLE t (a INT, b AS a + c) WITH ('connector' = 'datagen');
