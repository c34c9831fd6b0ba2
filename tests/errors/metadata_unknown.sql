CREATE TEMPORARY TABLE t (a INT, p STRING METADATA FROM 'file.nmae') WITH ('connector' = 'filesystem', 'path' = '/tmp', 'format' = 'json');
SELECT * FROM t;
