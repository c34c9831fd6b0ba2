CREATE TEMPORARY TABLE t (a INT) WITH ('connector' = 'kafak', 'topic' = 'x');
