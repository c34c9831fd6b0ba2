//! A job's counters as JSON, for `--report`.

use crate::JobReport;
use serde_json::{Value, json};

/// Counters of a job: of this run, and since its first start.
///
/// `rows_in = rows_out + filtered + late + dead` holds for a job whose operators pass each row on once at most.
pub fn report_json(report: &JobReport) -> Value {
    let counters = |c: &freshet_state::JobCounters| {
        json!({
            "rows_in": c.rows_in, "bytes_in": c.bytes_in, "rows_out": c.rows_out,
            "filtered": c.filtered_rows, "late": c.late_rows, "dead": c.dead_rows,
        })
    };
    let sources = report.sources.iter().map(|s| {
        json!({ "table": s.table, "rows_in": s.rows_in, "bytes_in": s.bytes_in, "dead": s.dead_rows,
                "watermark": s.watermark.map(|w| w.to_string()), "splits_finished": s.splits_finished })
    });
    json!({
        "job": report.name,
        "job_id": report.job_id,
        "workers": report.workers,
        "finished": report.finished,
        "failure": report.failure,
        "run": counters(&report.run),
        "total": counters(&report.total),
        "sources": sources.collect::<Vec<_>>(),
        "sinks": report.sinks.iter().map(|s| json!({ "table": s.table, "rows_out": s.rows_out })).collect::<Vec<_>>(),
        "operators": report.operators.iter().map(|o| json!({
            "id": o.state_id, "name": o.name, "late": o.counters.late_rows, "filtered": o.counters.filtered_rows,
            "state_rows": o.counters.state_rows, "state_bytes": o.counters.state_bytes,
        })).collect::<Vec<_>>(),
        "watermark": report.watermark.map(|w| w.to_string()),
        "last_checkpoint": report.last_checkpoint.map(|c| c.id.0),
        "resumed_from": report.resumed_from.map(|id| id.0),
        "notices": report.notices,
    })
}
