CREATE TEMPORARY TABLE here (id BIGINT, category STRING, amount DECIMAL(10, 2), at TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${FROM}', 'format' = 'csv');

CREATE TEMPORARY TABLE there (id BIGINT, category STRING, amount DECIMAL(10, 2), at TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${HDFS}/input', 'format' = 'csv');

INSERT INTO there SELECT * FROM here;
