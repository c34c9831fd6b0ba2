CREATE TEMPORARY TABLE t (a INT) WITH ('connector' = 'datagen', 'number-of-row' = '10');
SELECT * FROM t;
