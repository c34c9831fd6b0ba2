CREATE TEMPORARY TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '${FRESHET_TEST_NOT_SET}', 'format' = 'json');
