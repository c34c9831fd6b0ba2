//! Segments written, read back, damaged bit by bit.

use super::*;
use crate::{JobFolder, SegmentWriter};
use arrow::array::{ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use freshet_types::key::key_groups_of;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn rows(values: &[i64]) -> RecordBatch {
    let texts: StringArray = values.iter().map(|v| (v % 3 != 0).then(|| format!("text {v}"))).collect();
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(values.iter().map(|v| Some(vec![Some(*v), None])));
    RecordBatch::try_from_iter_with_nullable([
        ("v", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef, false),
        ("t", Arc::new(texts), true),
        ("l", Arc::new(lists), true),
    ])
    .unwrap()
}

fn folder() -> (tempfile::TempDir, JobFolder) {
    let parent = tempfile::tempdir().unwrap();
    let folder = JobFolder::open(parent.path(), "job", "id").unwrap();
    (parent, folder)
}

fn read(folder: &JobFolder, segments: &[SegmentRef], groups: Range<usize>) -> freshet_types::Result<Vec<SegmentBlock>> {
    let mut reader = folder.read(segments, groups);
    let mut blocks = Vec::new();
    while let Some(block) = reader.next()? {
        blocks.push(block);
    }
    Ok(blocks)
}

#[test]
fn rows_come_back_in_order_and_only_those_of_the_range() {
    let (_parent, folder) = folder();
    let mut writer = folder.segment(CheckpointId(1), "agg", 0, 0..256).unwrap();
    for group in [200, 3, 4, 3] {
        writer.write(if group == 4 { "other" } else { "main" }, group, &rows(&[i64::from(group), 1, 2])).unwrap();
    }
    writer.write("main", 9, &rows(&[])).unwrap();
    let segments = [writer.finish(SegmentKind::Base).unwrap()];
    let blocks = read(&folder, &segments, 0..128).unwrap();
    let seen: Vec<_> = blocks.iter().map(|b| (b.table.as_str(), b.group)).collect();
    assert_eq!(seen, [("main", 3), ("other", 4), ("main", 3)]);
    assert_eq!(blocks[0].rows, rows(&[3, 1, 2]));
    assert_eq!(read(&folder, &segments, 128..256).unwrap().len(), 1);
}

#[test]
fn every_flipped_bit_is_found() {
    let (_parent, folder) = folder();
    let mut writer = folder.segment(CheckpointId(1), "agg", 0, 0..256).unwrap();
    writer.write("a", 1, &rows(&[1, 2])).unwrap();
    writer.write("b", 2, &rows(&[3])).unwrap();
    let segments = [writer.finish(SegmentKind::Base).unwrap()];
    let path = folder.path().join(&segments[0].file);
    let good = std::fs::read(&path).unwrap();
    for byte in 0..good.len() {
        let mut bad = good.clone();
        bad[byte] ^= 1 << (byte % 8);
        std::fs::write(&path, &bad).unwrap();
        let error = read(&folder, &segments, 0..256).expect_err("a flipped bit is found");
        assert_eq!(error.code(), "state.corrupt", "byte {byte}");
    }
    std::fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert_eq!(read(&folder, &segments, 0..256).unwrap_err().code(), "state.corrupt");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(&folder, &segments, 0..256).unwrap_err().code(), "state.missing");
}

#[test]
fn a_row_outside_of_the_writers_key_groups_is_refused() {
    let (_parent, folder) = folder();
    let mut writer = folder.segment(CheckpointId(1), "agg", 0, 0..10).unwrap();
    assert_eq!(writer.write("a", 10, &rows(&[1])).unwrap_err().code(), "state.group");
}

fn write(folder: &JobFolder, checkpoint: u64, worker: usize, workers: usize, cells: &[(u8, i64)]) -> SegmentWriter {
    let groups = key_groups_of(worker, workers);
    let mut writer = folder.segment(CheckpointId(checkpoint), "agg", worker, groups.clone()).unwrap();
    for (group, value) in cells.iter().filter(|(g, _)| groups.contains(&usize::from(*g))) {
        writer.write("t", *group, &rows(&[*value])).unwrap();
    }
    writer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    /// Any run of checkpoints at changing worker counts, where each worker writes a base, a delta or nothing, gives back
    /// what a map that is written the same way holds.
    #[test]
    fn checkpoints_at_changing_worker_counts_add_up(
        steps in prop::collection::vec((1usize..5, prop::collection::vec((0u8..=255, 0i64..100, any::<bool>()), 0..12), any::<u8>()), 1..6),
        readers in 1usize..5,
    ) {
        let (_parent, folder) = folder();
        let mut model: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        let mut segments: Vec<SegmentRef> = Vec::new();
        for (i, (workers, cells, choice)) in steps.iter().enumerate() {
            let checkpoint = i as u64 + 1;
            for worker in 0..*workers {
                let groups = key_groups_of(worker, *workers);
                let own: Vec<(u8, i64)> =
                    cells.iter().filter(|c| groups.contains(&usize::from(c.0))).map(|c| (c.0, c.1)).collect();
                match (usize::from(*choice) + worker) % 3 {
                    0 => {}
                    1 => {
                        for (group, value) in &own {
                            model.entry(*group).or_default().push(*value);
                        }
                        segments.push(write(&folder, checkpoint, worker, *workers, &own).finish(SegmentKind::Delta).unwrap());
                    }
                    _ => {
                        // A base holds what was there, then what is new.
                        let mut all = Vec::new();
                        for (group, value) in &own {
                            model.entry(*group).or_default().push(*value);
                        }
                        for (group, values) in model.range(..).filter(|(g, _)| groups.contains(&usize::from(**g))) {
                            all.extend(values.iter().map(|v| (*group, *v)));
                        }
                        segments.push(write(&folder, checkpoint, worker, *workers, &all).finish(SegmentKind::Base).unwrap());
                    }
                }
            }
            segments = live_segments(segments);
        }
        let mut seen: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        for reader in 0..readers {
            for block in read(&folder, &segments, key_groups_of(reader, readers)).unwrap() {
                let values = block.rows.column(0).as_primitive::<Int64Type>();
                let group = seen.entry(block.group).or_default();
                prop_assert!(block.kind == SegmentKind::Delta || values.len() == 1);
                group.extend(values.values());
            }
        }
        model.retain(|_, values| !values.is_empty());
        prop_assert_eq!(seen, model);
    }
}

#[test]
fn a_base_is_asked_for_when_the_deltas_grow() {
    let segment = |kind, bytes| SegmentRef {
        file: String::new(),
        kind,
        checkpoint: CheckpointId(1),
        groups: 0..256,
        bytes,
        index_crc32: 0,
    };
    use SegmentKind::{Base, Delta};
    assert_eq!(next_kind(&[]), Base);
    assert_eq!(next_kind(&[segment(Base, 100), segment(Delta, 50)]), Delta);
    assert_eq!(next_kind(&[segment(Base, 100), segment(Delta, 50), segment(Delta, 1)]), Base);
}
