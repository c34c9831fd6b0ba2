CREATE TEMPORARY TABLE result (id BIGINT, name STRING, s TIMESTAMP(3)) WITH ('connector' = '${SINK}');
INSERT INTO result
SELECT P.id, P.name, P.s FROM (SELECT id, name, window_start AS s, window_end AS e FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY id, name, window_start, window_end) P
JOIN (SELECT seller, window_start AS s, window_end AS e FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY seller, window_start, window_end) A ON P.id = A.seller AND P.s = A.s AND P.e = A.e;
