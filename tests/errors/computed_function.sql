CREATE TEMPORARY TABLE t (a STRING, b AS UPPR(a)) WITH ('connector' = 'datagen');
