CREATE TEMPORARY TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '/tmp');
SELECT * FROM t;
