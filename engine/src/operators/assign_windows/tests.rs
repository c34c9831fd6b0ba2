//! Window table functions as row expanders.

use super::reference::Naive;
use super::*;
use crate::bare::Bare;
use crate::operators::proving::{Answer, T, plan, prove, schema};
use arrow::array::{Array, TimestampMillisecondArray, new_null_array};
use proptest::prelude::*;

pub(crate) fn specs() -> impl Strategy<Value = WindowSpec> {
    let offset = -7i64..8;
    prop_oneof![
        (1i64..20, offset.clone()).prop_map(|(size_ms, offset_ms)| WindowSpec::Tumble { size_ms, offset_ms }),
        (1i64..20, 1i64..20, offset.clone()).prop_map(|(size_ms, slide_ms, offset_ms)| WindowSpec::Hop {
            size_ms,
            slide_ms,
            offset_ms
        }),
        (1i64..5, 1i64..5, offset).prop_map(|(n, step_ms, offset_ms)| WindowSpec::Cumulate {
            size_ms: n * step_ms,
            step_ms,
            offset_ms
        }),
    ]
}

proptest! {
    #[test]
    fn equals_the_reference(plan in plan(1, true), windows in specs()) {
        let factory = AssignWindows::new(AssignWindowsConfig { input: schema(), time: T, windows }).unwrap();
        prove(&factory, &[vec![]], Naive { spec: windows, answer: Answer::new() }, &plan, false)?;
    }
}

#[test]
fn a_row_without_time_is_an_error() {
    let field = Field::new("t", TimestampMillisecondArray::from(vec![0]).data_type().clone(), true);
    let input = Arc::new(Schema::new(vec![field]));
    let windows = WindowSpec::Tumble { size_ms: 10, offset_ms: 0 };
    let factory = AssignWindows::new(AssignWindowsConfig { input: Arc::clone(&input), time: 0, windows }).unwrap();
    let rows = RecordBatch::try_new(Arc::clone(&input), vec![new_null_array(input.field(0).data_type(), 1)]).unwrap();
    let error = Bare::new(&factory).unwrap().push(0, ChangeBatch::inserts(rows)).unwrap_err();
    assert_eq!(error.code(), "time.null");
    let wrong = AssignWindowsConfig { input: schema(), time: 0, windows };
    assert_eq!(AssignWindows::new(wrong).unwrap_err().code(), "window.time");
}
