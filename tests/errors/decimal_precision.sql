CREATE TEMPORARY TABLE t (a DECIMAL(50, 2)) WITH ('connector' = 'datagen');
