CREATE TEMPORARY TABLE t (a INTEGR) WITH ('connector' = 'datagen');
