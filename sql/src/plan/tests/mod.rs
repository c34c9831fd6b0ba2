//! Queries from text to rows: as a stream, as a batch, and what is refused.

mod correlated;
mod flink;
mod places;
mod random;
mod zones;

use crate::testing::{Session, inserts, run_job};
use freshet_engine::NodeKind;

const EVENTS: &str = r#"{"event_type":0,"person":{"id":1,"name":"Ann","city":"Bern","state":"OR","dateTime":"2026-01-01T00:00:01","extra":"x"}}
{"event_type":1,"auction":{"id":10,"itemName":"pen","initialBid":5,"seller":1,"category":10,"dateTime":"2026-01-01T00:00:01.500","expires":"2026-01-01T00:00:20"}}
{"event_type":2,"bid":{"auction":10,"bidder":2,"price":100,"channel":"apple","url":"https://a/b/c/d?channel_id=7","dateTime":"2026-01-01T00:00:02","extra":"cc"}}
{"event_type":2,"bid":{"auction":10,"bidder":3,"price":150,"channel":"x","url":"https://a/b/c/d","dateTime":"2026-01-01T00:00:03","extra":"c"}}
{"event_type":0,"person":{"id":2,"name":"Bob","city":"Rome","state":"CA","dateTime":"2026-01-01T00:00:04","extra":"y"}}
{"event_type":1,"auction":{"id":11,"itemName":"cup","initialBid":7,"seller":2,"category":11,"dateTime":"2026-01-01T00:00:05","expires":"2026-01-01T00:00:30"}}
{"event_type":2,"bid":{"auction":11,"bidder":2,"price":70,"channel":"x","url":"https://a","dateTime":"2026-01-01T00:00:06","extra":"d"}}
{"event_type":2,"bid":{"auction":246,"bidder":2,"price":150,"channel":"x","url":"https://a","dateTime":"2026-01-01T00:00:07","extra":"d"}}
{"event_type":2,"bid":{"auction":11,"bidder":3,"price":90,"channel":"x","url":"https://a","dateTime":"2026-01-01T00:00:12","extra":"d"}}
{"event_type":2,"bid":{"auction":10,"bidder":3,"price":190,"channel":"x","url":"https://a","dateTime":"2026-01-01T00:00:14","extra":"d"}}
{"event_type":1,"auction":{"id":12,"itemName":"hat","initialBid":7,"seller":2,"category":10,"dateTime":"2026-01-01T00:00:15","expires":"2026-01-01T00:00:40"}}
{"event_type":2,"bid":{"auction":11,"bidder":3,"price":95,"channel":"x","url":"https://a","dateTime":"2026-01-01T00:00:26","extra":"d"}}"#;

fn nexmark(scope: &str) -> Session {
    let mut session = Session::new(scope);
    session.rows("events", EVENTS);
    session.run(
        "CREATE TABLE nexmark (
           event_type INT,
           person ROW<id BIGINT, name STRING, city STRING, state STRING, `dateTime` TIMESTAMP(3), extra STRING>,
           auction ROW<id BIGINT, itemName STRING, initialBid BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3),
                       seller BIGINT, category BIGINT>,
           bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING>,
           `dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime`
                              WHEN event_type = 1 THEN auction.`dateTime` ELSE bid.`dateTime` END,
           WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
         ) WITH ('connector' = 'rows', 'data' = '$S.events', 'format' = 'json');
         CREATE TEMPORARY VIEW person AS
         SELECT person.id, person.name, person.city, person.state, `dateTime`, person.extra FROM nexmark WHERE event_type = 0;
         CREATE TEMPORARY VIEW auction AS
         SELECT auction.id, auction.itemName, auction.initialBid, `dateTime`, auction.expires, auction.seller,
                auction.category FROM nexmark WHERE event_type = 1;
         CREATE TEMPORARY VIEW bid AS
         SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra
         FROM nexmark WHERE event_type = 2",
    );
    session
}

#[test]
fn nexmark_streams_give_what_batches_give() {
    let session = nexmark("nexmark");
    let queries: &[(&str, usize)] = &[
        ("SELECT auction, bidder, price, `dateTime`, extra FROM bid", 7),
        ("SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid", 7),
        ("SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0", 1),
        (
            "SELECT P.name, P.city, P.state, A.id FROM auction AS A INNER JOIN person AS P ON A.seller = P.id
             WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')",
            2,
        ),
        (
            "SELECT Q.category, AVG(Q.final) AS avg_final
             FROM (SELECT MAX(B.price) AS final, A.category FROM auction A, bid B
                   WHERE A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires
                   GROUP BY A.id, A.category) Q GROUP BY Q.category",
            2,
        ),
        (
            "SELECT AuctionBids.auction, AuctionBids.num, AuctionBids.starttime, AuctionBids.endtime
             FROM (SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
                   FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
                   GROUP BY auction, window_start, window_end) AS AuctionBids
             JOIN (SELECT MAX(CountBids.num) AS maxn, CountBids.starttime, CountBids.endtime
                   FROM (SELECT COUNT(*) AS num, window_start AS starttime, window_end AS endtime
                         FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
                         GROUP BY auction, window_start, window_end) AS CountBids
                   GROUP BY CountBids.starttime, CountBids.endtime) AS MaxBids
             ON AuctionBids.starttime = MaxBids.starttime AND AuctionBids.endtime = MaxBids.endtime
                AND AuctionBids.num >= MaxBids.maxn",
            19,
        ),
        (
            "SELECT B.auction, B.price, B.bidder, B.`dateTime`, B.extra FROM bid B
             JOIN (SELECT MAX(price) AS maxprice, window_end AS `dateTime`
                   FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
                   GROUP BY window_start, window_end) B1
             ON B.price = B1.maxprice
             WHERE B.`dateTime` BETWEEN B1.`dateTime` - INTERVAL '10' SECOND AND B1.`dateTime`",
            4,
        ),
        (
            "SELECT P.id, P.name, P.starttime
             FROM (SELECT id, name, window_start AS starttime, window_end AS endtime
                   FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
                   GROUP BY id, name, window_start, window_end) P
             JOIN (SELECT seller, window_start AS starttime, window_end AS endtime
                   FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
                   GROUP BY seller, window_start, window_end) A
             ON P.id = A.seller AND P.starttime = A.starttime AND P.endtime = A.endtime",
            2,
        ),
        (
            "SELECT B.bidder, COUNT(*) AS bid_count, SESSION_START(B.`dateTime`, INTERVAL '5' SECOND) AS starttime,
                    SESSION_END(B.`dateTime`, INTERVAL '5' SECOND) AS endtime
             FROM bid B GROUP BY B.bidder, SESSION(B.`dateTime`, INTERVAL '5' SECOND)",
            4,
        ),
        (
            "SELECT bidder, COUNT(*) AS n, window_start AS s, window_end AS e
             FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '5' SECOND))
             GROUP BY bidder, window_start, window_end",
            4,
        ),
        (
            "SELECT auction, bidder, price, channel, url, `dateTime`, extra
             FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY `dateTime` DESC) AS rank_number FROM bid)
             WHERE rank_number <= 1",
            5,
        ),
        (
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number FROM bid)
             WHERE rank_number <= 2",
            5,
        ),
        (
            "SELECT channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
                    COUNT(*) FILTER (WHERE price < 100) AS rank1_bids, COUNT(DISTINCT bidder) AS total_bidders,
                    COUNT(DISTINCT auction) FILTER (WHERE price >= 100) AS rank2_auctions,
                    MIN(price) AS lo, MAX(price) AS hi, AVG(price) AS mean, SUM(price) AS total
             FROM bid GROUP BY channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')",
            2,
        ),
        (
            "SELECT auction, bidder, price, B.`dateTime` AS bid_dateTime, itemName, A.`dateTime` AS auction_dateTime
             FROM bid AS B INNER JOIN auction AS A ON B.auction = A.id WHERE A.category = 10",
            3,
        ),
        (
            "SELECT id, itemName, bidder, price, bid_dateTime
             FROM (SELECT A.*, B.auction, B.bidder, B.price, B.`dateTime` AS bid_dateTime,
                          ROW_NUMBER() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.`dateTime` ASC) AS rownum
                   FROM auction A, bid B
                   WHERE A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires)
             WHERE rownum <= 1",
            2,
        ),
    ];
    for (sql, count) in queries {
        let rows = session.agree(sql);
        assert_eq!(rows.len(), *count, "{sql}\n{rows:#?}");
    }
}

fn orders(scope: &str) -> Session {
    let mut session = Session::new(scope);
    session.rows(
        "orders",
        r#"{"id":1,"customer":"a","amount":10,"price":1.50,"ts":"2026-01-01T00:00:01"}
{"id":2,"customer":"b","amount":20,"price":2.25,"ts":"2026-01-01T00:00:02"}
{"id":3,"customer":"a","amount":30,"price":null,"ts":"2026-01-01T00:00:04"}
{"id":4,"customer":null,"amount":40,"price":4.00,"ts":"2026-01-01T00:00:07"}
{"id":5,"customer":"c","amount":null,"price":0.10,"ts":"2026-01-01T00:00:11"}
{"id":6,"customer":"a","amount":5,"price":9.99,"ts":"2026-01-01T00:00:13"}"#,
    );
    session.rows(
        "payments",
        r#"{"order_id":1,"paid":10,"ts":"2026-01-01T00:00:02"}
{"order_id":2,"paid":5,"ts":"2026-01-01T00:00:03"}
{"order_id":2,"paid":15,"ts":"2026-01-01T00:00:06"}
{"order_id":6,"paid":5,"ts":"2026-01-01T00:00:13"}
{"order_id":null,"paid":1,"ts":"2026-01-01T00:00:14"}
{"order_id":9,"paid":1,"ts":"2026-01-01T00:00:15"}"#,
    );
    session.rows(
        "changes",
        r#"{"k":1,"v":"x","_w":1}
{"k":2,"v":"y","_w":1}
{"k":1,"v":"x","_w":-1}
{"k":1,"v":"z","_w":1}
{"k":3,"v":"y","_w":1}
{"k":3,"v":"y","_w":-1}"#,
    );
    session.run(
        "CREATE TABLE orders (id INT, customer STRING, amount INT, price DECIMAL(10, 2), ts TIMESTAMP(3),
                              WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'rows', 'data' = '$S.orders');
         CREATE TABLE payments (order_id INT, paid BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
                 WITH ('connector' = 'rows', 'data' = '$S.payments');
         CREATE TABLE changes (k INT NOT NULL, v STRING, PRIMARY KEY (k) NOT ENFORCED)
                 WITH ('connector' = 'rows', 'data' = '$S.changes', 'changelog' = 'true');
         CREATE TABLE endless (id INT, ts TIMESTAMP(3)) WITH ('connector' = 'rows', 'data' = '$S.none', 'unbounded' = 'true');
         CREATE TABLE append_sink (a INT, b STRING) WITH ('connector' = 'rows', 'accepts' = 'append');
         CREATE TABLE upsert_sink (a INT NOT NULL, b BIGINT, PRIMARY KEY (a) NOT ENFORCED)
                 WITH ('connector' = 'rows', 'accepts' = 'upsert');
         CREATE VIEW big AS SELECT id, amount FROM orders WHERE amount > 15;
         CREATE VIEW named (x, y) AS SELECT id, amount FROM orders",
    );
    session
}

#[test]
fn streams_give_what_batches_give() {
    let session = orders("agree");
    let mut differences = Vec::new();
    for sql in [
        "SELECT 1 AS one, 'x' AS text",
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (n, s) WHERE n > 1",
        "SELECT COUNT(*) FROM orders WHERE FALSE",
        "SELECT COUNT(*), SUM(amount), MIN(price), MAX(price) FROM orders",
        "SELECT customer, COUNT(*), SUM(amount), AVG(amount) FROM orders GROUP BY customer",
        "SELECT customer, SUM(amount) AS s FROM orders GROUP BY customer HAVING SUM(amount) > 20",
        "SELECT DISTINCT customer FROM orders",
        "SELECT COUNT(DISTINCT customer) FROM orders",
        "SELECT id, paid FROM orders JOIN payments ON id = order_id",
        "SELECT id, paid FROM orders LEFT JOIN payments ON id = order_id",
        "SELECT id, paid FROM orders RIGHT JOIN payments ON id = order_id AND paid > 5",
        "SELECT id, paid FROM orders FULL OUTER JOIN payments ON id = order_id",
        "SELECT o.id, p.paid FROM orders o, payments p WHERE o.amount > p.paid AND p.paid > 5",
        "SELECT id FROM orders WHERE id IN (SELECT order_id FROM payments)",
        "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM payments WHERE order_id IS NOT NULL)",
        "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM payments)",
        "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.paid > 5)",
        "SELECT id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id)",
        "SELECT id FROM orders WHERE amount > (SELECT AVG(amount) FROM orders)",
        "SELECT id FROM orders o WHERE amount >= (SELECT SUM(paid) FROM payments p WHERE p.order_id = o.id)",
        "SELECT id FROM orders o WHERE price < (SELECT 0.9 * AVG(price) FROM orders p WHERE p.customer = o.customer)",
        "SELECT id, (SELECT SUM(price) / 7.0 - COUNT(*) FROM orders p WHERE p.id = o.id + 3) AS x FROM orders o",
        "SELECT id, (SELECT UPPER(MAX(customer)) || 'x' FROM orders p WHERE p.amount = o.amount + 10) AS x FROM orders o",
        "SELECT id, (SELECT CAST(MAX(ts) AS DATE) - INTERVAL '1' DAY FROM orders p WHERE p.id = o.id + 3) AS x FROM orders o",
        "SELECT id, (SELECT COALESCE(MAX(amount), -1) + CHAR_LENGTH(MIN(customer)) FROM orders p WHERE p.id = o.id + 3) AS x FROM orders o",
        "SELECT id, (SELECT COALESCE(MAX(price), 0.5) FROM orders p WHERE p.id = o.id + 3) AS x FROM orders o",
        "SELECT id, (SELECT COUNT(*) FROM payments p WHERE p.order_id = o.id) AS x FROM orders o",
        "SELECT 1 AS one FROM (SELECT id FROM orders LEFT JOIN payments ON id = order_id) WHERE EXISTS (SELECT 1) LIMIT 1",
        "SELECT COUNT(*) FROM orders GROUP BY GROUPING SETS ((), ())",
        "SELECT id AS x, amount AS x, price FROM orders",
        "SELECT customer, paid FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY pts) AS rn FROM
         (SELECT o.customer, p.paid, p.ts AS pts FROM orders o LEFT JOIN payments p
          ON o.id = p.order_id AND p.ts BETWEEN o.ts AND o.ts + INTERVAL '2' SECOND)) WHERE rn = 1",
        "SELECT DISTINCT - COALESCE(MAX(32), COUNT(*) - 97 / -35) FROM orders",
        "SELECT customer, COUNT(*), GROUPING(customer) FROM orders GROUP BY GROUPING SETS ((customer), (), (customer))",
        "SELECT id FROM orders WHERE id = 3 OR id IN (SELECT order_id FROM payments WHERE paid = 15)",
        "SELECT id FROM orders UNION ALL SELECT order_id FROM payments",
        "SELECT id FROM orders UNION SELECT order_id FROM payments",
        "SELECT id FROM orders INTERSECT SELECT order_id FROM payments",
        "SELECT id FROM orders EXCEPT SELECT order_id FROM payments",
        "SELECT x + y FROM named",
        "SELECT a.id, b.amount FROM big a JOIN big b ON a.id = b.id",
        "WITH t AS (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer) SELECT a.customer FROM t a JOIN t b ON a.n = b.n",
        "SELECT v, COUNT(*) FROM changes GROUP BY v",
        "SELECT MAX(v), MIN(v) FROM changes",
        "SELECT * FROM changes",
        "SELECT o.id, c.v FROM orders o JOIN changes c ON o.id = c.k",
        "SELECT id FROM orders ORDER BY amount DESC, id LIMIT 2",
        "SELECT id FROM orders ORDER BY amount, id LIMIT 2 OFFSET 1",
        "SELECT COUNT(*), MAX(id) FROM (SELECT id, amount, customer FROM orders ORDER BY amount DESC, id LIMIT 2)",
        "SELECT paid FROM payments JOIN (SELECT id, amount FROM orders ORDER BY amount DESC, id DESC LIMIT 1) ON id = order_id",
        "SELECT window_start, window_end, SUM(amount) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' SECOND))
         GROUP BY window_start, window_end",
        "SELECT window_end, customer, COUNT(*) FROM TABLE(CUMULATE(DATA => TABLE orders, TIMECOL => DESCRIPTOR(ts),
         STEP => INTERVAL '2' SECOND, SIZE => INTERVAL '6' SECOND)) GROUP BY customer, window_end, window_start",
        "SELECT TUMBLE_START(ts, INTERVAL '5' SECOND), customer, COUNT(*), TUMBLE_END(ts, INTERVAL '5' SECOND) FROM orders
         WHERE amount > 5 GROUP BY customer, TUMBLE(ts, INTERVAL '5' SECOND) HAVING COUNT(*) >= 1",
        "SELECT HOP_START(ts, INTERVAL '2' SECOND, INTERVAL '6' SECOND) AS s, COUNT(*) FROM orders
         GROUP BY HOP(ts, INTERVAL '2' SECOND, INTERVAL '6' SECOND)",
        "SELECT id, window_start FROM TABLE(HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '4' SECOND))",
        "SELECT window_start, MAX(n) FROM (SELECT customer, window_start, window_end, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY customer, window_start, window_end)
         GROUP BY window_start, window_end",
        "SELECT SUM(n), window_start FROM TABLE(TUMBLE(TABLE (SELECT window_time AS wt, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, window_time),
         DESCRIPTOR(wt), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
        "SELECT L.id, R.paid FROM (SELECT id, window_start, window_end FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '5' SECOND))) L
         FULL JOIN (SELECT order_id, paid, window_start, window_end FROM TABLE(TUMBLE(TABLE payments, DESCRIPTOR(ts), INTERVAL '5' SECOND))) R
         ON L.id = R.order_id AND L.window_start = R.window_start AND L.window_end = R.window_end",
        "SELECT id, paid FROM orders o JOIN payments p ON o.id = p.order_id
         AND p.ts BETWEEN o.ts AND o.ts + INTERVAL '2' SECOND",
        "SELECT id, paid FROM orders o LEFT JOIN payments p ON o.id = p.order_id
         AND p.ts BETWEEN o.ts AND o.ts + INTERVAL '2' SECOND",
        "SELECT customer, id, COUNT(*), GROUPING(id) FROM orders GROUP BY GROUPING SETS ((customer), (customer, id))",
        "SELECT customer, COUNT(*) FROM orders GROUP BY ROLLUP (customer)",
        "SELECT customer, id, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC) AS rn FROM orders)
         WHERE rn <= 2 AND id > 1",
        "SELECT id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY ts ASC) AS rn FROM orders) WHERE rn = 1",
        "SELECT o.customer, COUNT(*) FROM orders o LEFT JOIN payments p ON o.id = p.order_id GROUP BY o.customer",
    ] {
        differences.extend(session.compare(sql).err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    // One unknown payment may be for any order.
    assert_eq!(session.agree("SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM payments)"), [""; 0]);
}

/// Starts and ends of windows of instants are shown as wall time, but the watermark closes them by the instant: west of
/// Greenwich they would otherwise be closed before their rows come, east of it they would wait for hours.
#[test]
fn windows_of_instants_close_by_the_instant() {
    for zone in ["UTC", "America/New_York", "Asia/Tokyo"] {
        let mut session = Session::new(&format!("instants {zone}"));
        let row = |i: i64| format!(r#"{{"k":{},"v":{i},"ts":"2026-01-01T00:00:{:02}Z"}}"#, i % 3, i * 2);
        session.rows("t", &(0..20).map(row).collect::<Vec<_>>().join("\n"));
        session.run(&format!(
            "SET 'table.local-time-zone' = '{zone}';
             CREATE TABLE t (k INT, v INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'rows', 'data' = '$S.t');
             CREATE VIEW w AS SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
        ));
        for sql in [
            "SELECT k, window_start, window_end, COUNT(*) FROM w GROUP BY k, window_start, window_end",
            "SELECT window_start, window_end, COUNT(*) FROM w GROUP BY window_start, window_end, CHAR_LENGTH(CAST(window_start AS STRING))",
            "SELECT window_start, MAX(n) FROM (SELECT k, window_start, window_end, COUNT(*) AS n FROM w GROUP BY k, window_start, window_end)
             GROUP BY window_start, window_end",
            "SELECT v, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC) AS rn FROM w)
             WHERE rn <= 2",
            "SELECT a.v, b.v, a.window_end FROM w a JOIN w b ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end",
            "SELECT a.v, b.v FROM w a LEFT JOIN (SELECT * FROM w WHERE v > 4) b
             ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end",
        ] {
            let rows = session.agree(sql);
            assert!(!rows.is_empty(), "{sql}");
            let (_, info) = session.plan(sql).unwrap();
            assert!(info.append_only, "windows leave once they are closed, in {zone}: {sql}");
        }
    }
}

#[test]
fn dataflows_are_as_small_as_they_can_be() {
    let session = orders("dataflow");
    let hop = "FROM TABLE(HOP(TABLE payments, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND))";
    for (sql, expected) in [
        (
            "SELECT v || 'x' FROM changes WHERE k > 1".to_string(),
            "0: source changes [k, v], changelogMode=[I,UB,UA,D]
1: calc v@1 || 'x' as EXPR$0 where k@0 > 1 <- 0, changelogMode=[I,UB,UA,D]
2: sink result <- 1 by hash [EXPR$0], changelogMode=[I,UB,UA,D]
",
        ),
        // The two equal aggregates are one, and each window leaves the join once it is closed.
        (
            format!(
                "SELECT a.order_id, a.n FROM (SELECT order_id, COUNT(*) AS n, window_start, window_end {hop}
                 GROUP BY order_id, window_start, window_end) a
                 JOIN (SELECT MAX(n) AS m, window_start, window_end FROM (SELECT COUNT(*) AS n, window_start, window_end {hop}
                 GROUP BY order_id, window_start, window_end) GROUP BY window_start, window_end) b
                 ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.n >= b.m"
            ),
            "0: source payments [order_id, ts], watermark ts@1, changelogMode=[I]
1: window_aggregate hop 10000 ms every 2000 ms on ts group by [order_id] count(*) as count(Int64(1)) <- 0 by hash [order_id], changelogMode=[I]
2: calc count(Int64(1))@1 as n, window_start, window_end <- 1, changelogMode=[I]
3: window_aggregate attached window group by [] max(n) as max(n) <- 2 to one worker, changelogMode=[I]
4: calc order_id, count(Int64(1))@1 as n, window_start, window_end <- 1, changelogMode=[I]
5: calc max(n)@0 as m, window_start, window_end <- 3, changelogMode=[I]
6: join inner on [window_start = window_start, window_end = window_end] and n@1 >= m@4, left kept -1 ms after window_end, right kept -1 ms after window_end <- 4 by hash [window_start, window_end], 5 by hash [window_start, window_end], changelogMode=[I]
7: calc order_id, n <- 6, changelogMode=[I]
8: sink result <- 7, changelogMode=[I]
",
        ),
        (
            "SELECT order_id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY order_id ORDER BY ts DESC) AS rn FROM payments) WHERE rn = 1".to_string(),
            "0: source payments [order_id, ts], watermark ts@1, changelogMode=[I]
1: deduplicate keep last of [order_id] by ts <- 0 by hash [order_id], changelogMode=[I,UB,UA,D]
2: calc order_id <- 1, changelogMode=[I,UB,UA,D]
3: sink result <- 2 by hash [order_id], changelogMode=[I,UB,UA,D]
",
        ),
    ] {
        assert_eq!(session.dataflow(&sql), expected, "{sql}");
    }
}

#[test]
fn windows_ranked_whole_are_append_only() {
    let session = orders("whole");
    let sql = "INSERT INTO append_sink SELECT id, customer FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY n DESC) AS rn
               FROM (SELECT id, customer, COUNT(*) AS n, window_start, window_end
                     FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND))
                     GROUP BY id, customer, window_start, window_end)) WHERE rn <= 2";
    let job = session.planner().plan_inserts(&inserts(sql)).unwrap();
    assert_eq!(job.sinks[0].changelog_mode, "I");
}

#[test]
fn rows_ranked_in_the_windows_that_they_carry_wait_for_them() {
    let session = orders("held");
    let ranked = |partition: &str| {
        let sql = format!(
            "INSERT INTO append_sink SELECT id, customer FROM (
               SELECT *, ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY id DESC) AS rn
               FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn <= 2"
        );
        let job = session.planner().plan_inserts(&inserts(&sql))?;
        let nodes: Vec<String> = job.graph.nodes.iter().map(|n| n.state_id.clone()).collect();
        Ok::<_, freshet_types::Error>((
            job.sinks[0].changelog_mode,
            nodes.iter().any(|n| n.starts_with("collect_windows-")),
        ))
    };
    assert_eq!(ranked("window_start, window_end, customer").unwrap(), ("I", true));
    // Without the window in it, a rank may change at any time, and the sink only appends.
    assert!(ranked("customer").is_err());
}

#[test]
fn batch_mode_writes_final_rows() {
    let mut session = orders("final");
    session.run("SET 'execution.runtime-mode' = 'batch'");
    let sql = "INSERT INTO append_sink SELECT CAST(COUNT(*) AS INT), customer FROM orders GROUP BY customer";
    let job = session.planner().plan_inserts(&inserts(sql)).unwrap();
    assert_eq!(job.sinks[0].changelog_mode, "I");
    let out = run_job(&job, 1).unwrap();
    assert_eq!(crate::testing::left(&out[0]).unwrap(), ["1,NULL", "1,b", "1,c", "3,a"]);
}

#[test]
fn timestamps_of_values_keep_their_digits() {
    let session = orders("digits");
    let rows = session.agree(
        "SELECT * FROM (VALUES (TIMESTAMP '2026-01-01 00:00:00'), (TIMESTAMP '2026-01-01 00:00:00.123')) AS t (x)",
    );
    assert_eq!(rows, ["2026-01-01 00:00:00.000", "2026-01-01 00:00:00.123"]);
}

#[test]
fn only_the_wanted_fields_of_rows_are_read() {
    let session = nexmark("fields");
    let read = |sql: &str| {
        let (job, _) = session.plan(sql).unwrap();
        session.agree(sql);
        let source = job.graph.nodes.iter().find_map(|n| match &n.kind {
            NodeKind::Source(source) => Some(std::sync::Arc::clone(&source.read_schema)),
            _ => None,
        });
        let fields = |field: &arrow::datatypes::FieldRef| match field.data_type() {
            arrow::datatypes::DataType::Struct(fields) => {
                format!("{}({})", field.name(), fields.iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(" "))
            }
            _ => field.name().clone(),
        };
        source.unwrap().fields().iter().map(fields).collect::<Vec<_>>().join(" ")
    };
    let times = "person(dateTime) auction(dateTime)";
    assert_eq!(
        read("SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0"),
        format!("event_type {times} bid(auction price dateTime)")
    );
    assert_eq!(
        read("SELECT P.name, A.id FROM auction A JOIN person P ON A.seller = P.id WHERE A.category > 1"),
        "event_type person(id name dateTime) auction(id dateTime seller category) bid(dateTime)"
    );
    let all = "auction bidder price channel url dateTime extra";
    assert_eq!(read("SELECT bid FROM nexmark WHERE bid.price > 90"), format!("event_type {times} bid({all})"));
    assert_eq!(read("SELECT COUNT(bid) FROM nexmark"), format!("event_type {times} bid({all})"));
    assert_eq!(
        read("SELECT b.bid.price + 1 FROM (SELECT bid, event_type FROM nexmark) b WHERE b.bid.channel = 'x'"),
        format!("event_type {times} bid(price channel dateTime)")
    );
    assert_eq!(
        read("SELECT bid.price FROM nexmark UNION ALL SELECT person.id FROM nexmark WHERE auction.id IS NULL"),
        "event_type person(id dateTime) auction(id dateTime) bid(price dateTime)"
    );
}

#[test]
fn shared_parts_of_a_statement_set_run_once() {
    let session = orders("share");
    let job = session
        .planner()
        .plan_inserts(&inserts(
            "EXECUTE STATEMENT SET BEGIN
             INSERT INTO upsert_sink SELECT id, COUNT(*) FROM orders GROUP BY id;
             INSERT INTO append_sink SELECT id, customer FROM orders WHERE id > 2;
             INSERT INTO append_sink SELECT id, 'again' FROM orders WHERE id > 2;
             END",
        ))
        .unwrap();
    let names: Vec<&str> = job.graph.nodes.iter().map(|n| n.state_id.as_str()).collect();
    assert_eq!(names.iter().filter(|n| n.starts_with("source:")).count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|n| n.starts_with("sink:")).count(), 2, "{names:?}");
    let out = run_job(&job, 2).unwrap();
    assert_eq!(out.iter().map(|o| o.iter().map(|b| b.row_count()).sum::<usize>()).collect::<Vec<_>>().len(), 2);
    assert_eq!(job.sources.len(), 1);
    assert!(job.bounded);
}

#[test]
fn what_is_refused_says_why() {
    let session = orders("refused");
    for (sql, code) in [
        ("SELECT nothing FROM orders", "column.unknown"),
        ("SELECT * FROM order", "table.unknown"),
        (
            "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE endless, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
            "window.time",
        ),
        (
            "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(id), INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
            "window.time",
        ),
        (
            "SELECT COUNT(*) FROM TABLE(HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '3' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
            "window.size",
        ),
        (
            "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE orders, ts, INTERVAL '3' SECOND)) GROUP BY window_start, window_end",
            "window.arguments",
        ),
        ("SELECT TUMBLE_START(ts, INTERVAL '3' SECOND) FROM orders", "window.group"),
        ("SELECT id, ROW_NUMBER() OVER (ORDER BY id) FROM orders", "query.unsupported"),
        ("SELECT DISTINCT ON (id) id, amount FROM orders", "query.unsupported"),
        ("SELECT FIRST_VALUE(id ORDER BY amount) FROM orders", "query.unsupported"),
        ("SELECT LISTAGG(customer) WITHIN GROUP (ORDER BY amount) FROM orders", "query.unsupported"),
        ("SELECT id, SUM(id) OVER (ORDER BY id) FROM orders", "query.unsupported"),
        ("SELECT id, FIRST_VALUE(id) OVER (ORDER BY id) FROM orders", "query.unsupported"),
        (
            "SELECT o.id FROM orders o JOIN payments FOR SYSTEM_TIME AS OF o.ts AS p ON o.id = p.order_id",
            "join.temporal",
        ),
    ] {
        let error = match session.stream(sql, 10) {
            Err(error) => error,
            Ok(rows) => panic!("{sql} gave {rows:?}"),
        };
        assert_eq!(error.code(), code, "{sql}: {error:?}");
    }
    for (sql, code) in [
        ("INSERT INTO append_sink SELECT id, customer, amount FROM orders", "insert.columns"),
        ("INSERT INTO append_sink SELECT customer, id FROM orders", "insert.type"),
        (
            "INSERT INTO append_sink SELECT CAST(COUNT(*) AS INT), customer FROM orders GROUP BY customer",
            "sink.append_only",
        ),
        ("INSERT INTO upsert_sink (b) SELECT id FROM orders", "insert.columns"),
        ("INSERT INTO append_sink (a, c) SELECT id, customer FROM orders", "column.unknown"),
        ("INSERT INTO big SELECT id, amount FROM orders", "insert.view"),
    ] {
        let error = session.planner().plan_inserts(&inserts(sql)).err().unwrap_or_else(|| panic!("{sql}"));
        assert_eq!(error.code(), code, "{sql}: {error:?}");
    }
}

#[test]
fn names_of_columns_are_flinks() {
    let session = nexmark("names");
    for (sql, expected) in [
        ("SELECT person.id, auction.id FROM nexmark", "id,id0"),
        ("SELECT COUNT(*), event_type + 1, event_type FROM nexmark GROUP BY event_type", "EXPR$0,EXPR$1,event_type"),
        ("SELECT p.id, p.id FROM person p", "id,id0"),
    ] {
        let (_, info) = session.plan(sql).unwrap();
        let names: Vec<&str> = info.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names.join(","), expected, "{sql}");
    }
}

#[test]
fn in_below_or_tells_null_from_false() {
    let mut session = Session::new("null_in");
    session.rows("a", "{\"x\":1}\n{\"x\":2}\n{\"x\":null}");
    session.rows("b", "{\"y\":1}\n{\"y\":null}");
    session.run(
        "CREATE TABLE a (x INT) WITH ('connector' = 'rows', 'data' = '$S.a');
         CREATE TABLE b (y INT) WITH ('connector' = 'rows', 'data' = '$S.b')",
    );
    for (condition, expected) in [
        ("x NOT IN (SELECT y FROM b) OR x > 5", &[] as &[&str]),
        ("x NOT IN (SELECT y FROM b WHERE y IS NOT NULL) OR x > 5", &["2"]),
        ("x IN (SELECT y FROM b) OR x > 5", &["1"]),
        ("NOT (x IN (SELECT y FROM b WHERE y > 7) AND x > 0)", &["1", "2", "NULL"]),
        ("CASE WHEN x IN (SELECT y FROM b) THEN FALSE ELSE TRUE END", &["2", "NULL"]),
        ("(x NOT IN (SELECT y FROM b)) IS NULL", &["2", "NULL"]),
    ] {
        assert_eq!(session.agree(&format!("SELECT x FROM a WHERE {condition}")), expected, "{condition}");
    }
}
