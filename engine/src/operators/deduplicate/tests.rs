//! Deduplication against its naive twin.

use super::reference::naive;
use super::*;
use crate::operators::proving::{K, Plan, T, plan, prove, schema};
use proptest::prelude::*;

fn check(append_only: bool, by_time: bool, keep: Keep, plan: &[Plan]) -> Result<(), TestCaseError> {
    let config = DeduplicateConfig { input: schema(), keys: vec![K], time: by_time.then_some(T), keep, append_only };
    let factory = Deduplicate::new(config).unwrap();
    let append_only_output = factory.is_append_only();
    prove(&factory, &[vec![K]], naive(by_time, keep == Keep::Last), plan, append_only_output)
}

fn keeps() -> impl Strategy<Value = Keep> {
    prop_oneof![Just(Keep::First), Just(Keep::Last)]
}

/// Gives each row a time of its own: see the tests of top_n.
fn untie(plan: Vec<Plan>) -> Vec<Plan> {
    let mut next = 0;
    plan.into_iter()
        .map(|step| match step {
            Plan::Rows { input, mut rows, taken_back, backwards } => {
                for row in &mut rows {
                    row.t = next * 7919 % 1_000;
                    next += 1;
                }
                Plan::Rows { input, rows, taken_back, backwards }
            }
            other => other,
        })
        .collect()
}

proptest! {
    #[test]
    fn append_only_input_equals_the_reference(plan in plan(1, false), by_time in any::<bool>(), keep in keeps()) {
        // The twin sums up equal rows of an epoch: with times of their own there are none.
        check(true, by_time, keep, &untie(plan))?;
    }

    #[test]
    fn changing_input_equals_the_reference(plan in plan(1, true), keep in keeps()) {
        check(false, true, keep, &untie(plan))?;
    }
}
