CREATE TEMPORARY TABLE t (a INT PRIMARY KEY) WITH ('connector' = 'datagen');
