CREATE TEMPORARY TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '/tmp', 'format' = 'jsno');
SELECT * FROM t;
