//! Windows over instants go by the wall time of the session's zone.

use crate::testing::Session;

fn session(scope: &str, zone: &str, rows: &str) -> Session {
    let mut session = Session::new(scope);
    session.rows("t", rows);
    session.run(&format!(
        "SET 'table.local-time-zone' = '{zone}';
         CREATE TABLE t (k INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'rows', 'data' = '$S.t')"
    ));
    session
}

#[test]
fn a_day_of_summer_time_has_23_hours() {
    // Clocks in New York went forward on 2026-03-08 at 07:00 UTC.
    let session = session(
        "summer",
        "America/New_York",
        r#"{"k":1,"ts":"2026-03-08T04:30:00Z"}
{"k":1,"ts":"2026-03-08T05:30:00Z"}
{"k":2,"ts":"2026-03-09T03:30:00Z"}
{"k":1,"ts":"2026-03-09T04:30:00Z"}"#,
    );
    let rows = session.agree(
        "SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY))
         GROUP BY window_start, window_end, window_time",
    );
    assert_eq!(
        rows,
        [
            "2026-03-07 00:00:00.000,2026-03-08 00:00:00.000,2026-03-08 04:59:59.999,1",
            "2026-03-08 00:00:00.000,2026-03-09 00:00:00.000,2026-03-09 03:59:59.999,2",
            "2026-03-09 00:00:00.000,2026-03-10 00:00:00.000,2026-03-10 03:59:59.999,1",
        ]
    );
}

#[test]
fn what_follows_a_window_waits_for_the_instant_of_its_end() {
    // West of Greenwich the wall time of a window's end, read as an instant, is past before the window is complete.
    let session = session(
        "west",
        "Etc/GMT+5",
        r#"{"k":1,"ts":"2026-01-01T12:00:01Z"}
{"k":2,"ts":"2026-01-01T12:00:02Z"}
{"k":1,"ts":"2026-01-01T12:00:15Z"}
{"k":3,"ts":"2026-01-01T12:00:30Z"}"#,
    );
    let window = "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))";
    let rows = session.agree(&format!(
        "SELECT window_start, COUNT(*) FROM (SELECT k, window_start, window_end FROM {window} GROUP BY k, window_start, window_end)
         GROUP BY window_start, window_end"
    ));
    assert_eq!(rows, ["2026-01-01 07:00:00.000,2", "2026-01-01 07:00:10.000,1", "2026-01-01 07:00:30.000,1"]);
    let rows = session.agree(&format!(
        "SELECT k, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY k DESC) AS rn
         FROM {window}) WHERE rn = 1"
    ));
    assert_eq!(rows, ["1,2026-01-01 07:00:20.000", "2,2026-01-01 07:00:10.000", "3,2026-01-01 07:00:40.000"]);
    let counted = |name: &str| {
        format!("(SELECT k, window_start, window_end FROM {window} GROUP BY k, window_start, window_end) AS {name}")
    };
    let joined = format!(
        "SELECT a.k, b.k FROM {} LEFT JOIN {} ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.k < b.k",
        counted("a"),
        counted("b")
    );
    assert_eq!(session.agree(&joined), ["1,2", "1,NULL", "2,NULL", "3,NULL"]);
    let (_, info) = session.plan(&joined).unwrap();
    assert!(info.append_only, "rows without a pair wait for the end of their window");
}
