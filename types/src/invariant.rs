//! Invariant ids, quoted alike by asserts, property tests and simulation.
//!
//! Each id stands here once with its sentence; the code that keeps it names it in an assert.

/// An invariant: its id and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invariant {
    /// Short id such as `ZS-1`.
    pub id: &'static str,
    /// What always holds.
    pub says: &'static str,
}

macro_rules! invariants {
    ($($name:ident = $id:literal $says:literal;)*) => {
        $(#[doc = $says] pub const $name: Invariant = Invariant { id: $id, says: $says };)*
        /// Every invariant of the product.
        pub static INVARIANTS: &[Invariant] = &[$($name),*];
    };
}

invariants! {
    WEIGHTS_MATCH_ROWS = "ZS-1" "A change batch has either no weight column or exactly one weight for each row.";
    NO_ZERO_WEIGHT = "ZS-2" "A consolidated batch has no two equal rows and no weight of zero.";
    APPEND_ONLY_EDGE = "ZS-3" "An edge that the planner calls append-only never carries a negative weight.";
    EPOCHS_GROW = "EP-1" "An operator sees epochs in growing order, and never a change of a closed epoch.";
    WATERMARK_GROWS = "EP-2" "The watermark of an edge never goes back.";
    ROOT_LAST = "CP-1" "A root file names only files that are durable before it appears.";
    COMMIT_AFTER_ROOT = "CP-2" "A sink commits a checkpoint only after the root file of that checkpoint is durable.";
    COUNTERS_ADD_UP = "CT-1" "Rows in equal rows out plus filtered, late and dead rows.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<_> = INVARIANTS.iter().map(|i| i.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), INVARIANTS.len());
    }
}
