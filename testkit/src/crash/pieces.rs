//! What jobs are made of: each piece is a query with the sink that takes it and the function that says what must be there.

use super::input::Given;
use super::model;

/// Which sinks can take the rows of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A lake table.
    Lake,
    /// A lake table or files.
    LakeOrFiles,
    /// Rows are taken back: only lines on standard output.
    Lines,
}

/// One INSERT of a job.
pub(crate) struct Piece {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
    pub(crate) query: &'static str,
    pub(crate) takes: Takes,
    pub(crate) model: fn(&Given) -> Vec<String>,
}

/// Every piece.
pub(crate) static PIECES: &[Piece] = &[
    Piece {
        name: "plain",
        columns: "id BIGINT, v BIGINT",
        query: "SELECT id, v * 2 FROM events WHERE v >= 0",
        takes: Takes::LakeOrFiles,
        model: model::plain,
    },
    Piece {
        name: "windows",
        columns: "k INT, s TIMESTAMP(3), n BIGINT, total BIGINT, highest BIGINT",
        query: "SELECT k, window_start, COUNT(*), SUM(v), MAX(v)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end",
        takes: Takes::Lake,
        model: model::windows,
    },
    Piece {
        name: "hops",
        columns: "s TIMESTAMP(3), n BIGINT, d BIGINT",
        query: "SELECT window_start, COUNT(*), COUNT(DISTINCT v)
FROM TABLE(HOP(TABLE events, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '12' SECOND)) GROUP BY window_start, window_end",
        takes: Takes::Lake,
        model: model::hops,
    },
    Piece {
        name: "sessions",
        columns: "k INT, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, lowest BIGINT",
        query: "SELECT k, window_start, window_end, COUNT(*), MIN(v)
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1.5' SECOND)) GROUP BY k, window_start, window_end",
        takes: Takes::Lake,
        model: model::sessions,
    },
    Piece {
        name: "ranks",
        columns: "s TIMESTAMP(3), id BIGINT, r BIGINT",
        query: "SELECT window_start, id, rn FROM (SELECT id, window_start, window_end,
ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC, id) AS rn
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn <= 3",
        takes: Takes::Lake,
        model: model::ranks,
    },
    Piece {
        name: "firsts",
        columns: "id BIGINT",
        query: "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY k, window_start, window_end ORDER BY ts, id) AS rn
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn = 1",
        takes: Takes::LakeOrFiles,
        model: model::firsts,
    },
    Piece {
        name: "joined",
        columns: "id BIGINT, name STRING",
        query: "SELECT e.id, n.name FROM events e JOIN names n ON e.k = n.k",
        takes: Takes::LakeOrFiles,
        model: model::joined,
    },
    Piece {
        name: "near",
        columns: "m BIGINT, id BIGINT",
        query: "SELECT m.m, e.id FROM marks m LEFT JOIN events e
ON m.k = e.k AND e.ts BETWEEN m.ts - INTERVAL '1' SECOND AND m.ts",
        takes: Takes::Lake,
        model: model::near,
    },
    Piece {
        name: "met",
        columns: "id BIGINT, m BIGINT",
        query: "SELECT e.id, m.m FROM (SELECT * FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))) e
JOIN (SELECT * FROM TABLE(TUMBLE(TABLE marks, DESCRIPTOR(ts), INTERVAL '10' SECOND))) m
ON e.k = m.k AND e.window_start = m.window_start AND e.window_end = m.window_end",
        takes: Takes::LakeOrFiles,
        model: model::met,
    },
    Piece {
        name: "distincts",
        columns: "k INT, digit BIGINT",
        query: "SELECT DISTINCT k, v % 10 FROM events",
        takes: Takes::LakeOrFiles,
        model: model::distinct,
    },
    Piece {
        name: "known",
        columns: "id BIGINT",
        query: "SELECT id FROM events WHERE k IN (SELECT k FROM names)",
        takes: Takes::LakeOrFiles,
        model: model::known,
    },
    Piece {
        name: "running",
        columns: "k INT, n BIGINT, total BIGINT, lowest BIGINT, highest BIGINT, d BIGINT",
        query: "SELECT k, COUNT(*), SUM(v), MIN(v), MAX(v), COUNT(DISTINCT v) FROM events GROUP BY k",
        takes: Takes::Lines,
        model: model::running,
    },
    Piece {
        name: "spread",
        columns: "n BIGINT, ks BIGINT",
        query: "SELECT n, COUNT(*) FROM (SELECT k, COUNT(*) AS n FROM events GROUP BY k) GROUP BY n",
        takes: Takes::Lines,
        model: model::spread,
    },
    Piece {
        name: "best",
        columns: "k INT, id BIGINT, r BIGINT",
        query: "SELECT k, id, rn FROM (SELECT k, id, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS rn FROM events)
WHERE rn <= 2",
        takes: Takes::Lines,
        model: model::best,
    },
    Piece {
        name: "latest",
        columns: "k INT, ts STRING",
        query: "SELECT k, CAST(ts AS STRING) FROM (SELECT k, ts, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM events)
WHERE rn = 1",
        takes: Takes::Lines,
        model: model::latest,
    },
    Piece {
        name: "outers",
        columns: "name STRING, n BIGINT",
        query: "SELECT n.name, c.n FROM names n LEFT JOIN (SELECT k, COUNT(*) AS n FROM events GROUP BY k) c ON n.k = c.k",
        takes: Takes::Lines,
        model: model::outer,
    },
];
