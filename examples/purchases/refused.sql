-- A running count takes rows back; files cannot.
CREATE TEMPORARY TABLE events (user_id BIGINT, action STRING)
WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${BOOTSTRAP}', 'format' = 'json');

CREATE TEMPORARY TABLE files (user_id BIGINT, n BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${HDFS}/running', 'format' = 'csv');

INSERT INTO files SELECT user_id, COUNT(*) FROM events WHERE action = 'buy' GROUP BY user_id;
