//! The suite that every format passes: all types there and back, extreme values and NULL among them; a bad record leaves
//! no trace, and its neighbours are unchanged.

use crate::{FileWriter, Format, Framing};
use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::datatypes::*;
use freshet_types::{Options, SqlField, SqlType};
use std::io::Cursor;
use std::sync::Arc;

/// Numbers that look random and are the same each time (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[(self.roll() % values.len() as u64) as usize].clone()
    }

    /// NULL one time in five where it may stand.
    fn maybe<T>(&mut self, nullable: bool, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if nullable && self.roll().is_multiple_of(5) { None } else { Some(value(self)) }
    }
}

const TEXTS: &[&str] = &[
    "",
    "plain",
    " spaces ",
    "quote \" and 'single'",
    "a,b;c|d\te",
    "back\\slash",
    "é中😀\u{200B}\u{FEFF}",
    "\u{1}\u{7f}",
    "null",
    "#no comment",
    "a text that is longer than one word of eight bytes, and longer than four of them",
    "=1+1",
    "\u{FEFF}marked",
];

/// Values of `field` that lie between those of the calendar and those of its bits.
fn column(field: &SqlField, rows: usize, dice: &mut Dice) -> ArrayRef {
    macro_rules! numbers {
        ($array:ty, $($value:expr),+) => {{
            let values: Vec<_> = (0..rows).map(|_| dice.maybe(field.nullable, |d| {
                let random = d.roll();
                d.one_of(&[$($value(random)),+])
            })).collect();
            <$array>::from(values)
        }};
    }
    // Days from year 1 to year 9999.
    let day = |r: u64| (r % 3_652_059) as i64 - 719_162;
    let day_nanos = |r: u64| (r % 86_400_000_000_000) as i64;
    match &field.sql_type {
        SqlType::Null => Arc::new(NullArray::new(rows)),
        SqlType::Boolean => {
            Arc::new((0..rows).map(|_| dice.maybe(field.nullable, |d| d.roll() % 2 == 0)).collect::<BooleanArray>())
        }
        SqlType::TinyInt => Arc::new(numbers!(Int8Array, |r| r as i8, |_| i8::MIN, |_| i8::MAX, |_| 0)),
        SqlType::SmallInt => Arc::new(numbers!(Int16Array, |r| r as i16, |_| i16::MIN, |_| i16::MAX, |_| 0)),
        SqlType::Int => Arc::new(numbers!(Int32Array, |r| r as i32, |_| i32::MIN, |_| i32::MAX, |_| 0)),
        SqlType::BigInt => {
            Arc::new(numbers!(Int64Array, |r| r as i64, |r| (r >> 40) as i64, |_| i64::MIN, |_| i64::MAX, |_| 0))
        }
        SqlType::Float => Arc::new(numbers!(
            Float32Array,
            |r| (r as i32) as f32 / 1_000.0,
            |_| f32::MIN_POSITIVE,
            |_| f32::MAX,
            |_| -0.0,
            |_| f32::NAN,
            |_| f32::NEG_INFINITY
        )),
        SqlType::Double => Arc::new(numbers!(
            Float64Array,
            |r| (r as i64) as f64 / 1e6,
            |r: u64| f64::from_bits(r & !(1 << 62)),
            |_| f64::MIN_POSITIVE,
            |_| f64::MAX,
            |_| -0.0,
            |_| f64::NAN,
            |_| f64::INFINITY
        )),
        SqlType::Decimal(p, s) => {
            let largest = 10_i128.pow(u32::from(*p)) - 1;
            let array =
                numbers!(Decimal128Array, |r| i128::from(r) % largest, |_| largest, |_| -largest, |_| 0, |_| 10);
            Arc::new(array.with_precision_and_scale(*p, *s).unwrap())
        }
        SqlType::Char(_) | SqlType::Varchar(_) => {
            Arc::new((0..rows).map(|_| dice.maybe(field.nullable, |d| d.one_of(TEXTS))).collect::<StringArray>())
        }
        SqlType::Binary(_) | SqlType::Varbinary(_) => {
            let values: &[&[u8]] = &[b"\0", b"\xFF\xFE\0", b"bytes", b"\n\r\""];
            Arc::new((0..rows).map(|_| dice.maybe(field.nullable, |d| d.one_of(values))).collect::<BinaryArray>())
        }
        SqlType::Date => Arc::new(numbers!(Date32Array, |r| day(r) as i32, |_| -719_162, |_| 2_932_896, |_| 0)),
        SqlType::Time(p) => {
            let step = 10_i64.pow(9 - u32::from(*p));
            match SqlType::Time(*p).to_arrow() {
                DataType::Time32(TimeUnit::Second) => {
                    Arc::new(numbers!(Time32SecondArray, |r| (day_nanos(r) / 1_000_000_000) as i32, |_| 86_399))
                }
                DataType::Time32(_) => Arc::new(numbers!(
                    Time32MillisecondArray,
                    |r| (day_nanos(r) / step * step / 1_000_000) as i32,
                    |_| 0
                )),
                DataType::Time64(TimeUnit::Microsecond) => {
                    Arc::new(numbers!(Time64MicrosecondArray, |r| day_nanos(r) / step * step / 1_000, |_| 0))
                }
                _ => Arc::new(numbers!(Time64NanosecondArray, day_nanos, |_| 86_399_999_999_999)),
            }
        }
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => {
            let DataType::Timestamp(unit, zone) = field.sql_type.to_arrow() else { unreachable!("a timestamp") };
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            let digits = [0, 3, 3, 3, 6, 6, 6, 9, 9, 9][usize::from(*p)];
            let step = 10_i64.pow(digits - u32::from(*p));
            let value = |r: u64| {
                // Nanoseconds reach from 1677 to 2262 only.
                let seconds = if per_second == 1_000_000_000 {
                    (r % 18_000_000_000) as i64 - 9_000_000_000
                } else {
                    day(r) * 86_400
                };
                (seconds * per_second + (r >> 20) as i64 % per_second) / step * step
            };
            macro_rules! timestamps {
                ($array:ty) => {{
                    let array = numbers!($array, value, |_| 0, |_| step, |_| -step);
                    match &zone {
                        Some(zone) => Arc::new(array.with_timezone(zone.as_ref())) as ArrayRef,
                        None => Arc::new(array),
                    }
                }};
            }
            match unit {
                TimeUnit::Second => timestamps!(TimestampSecondArray),
                TimeUnit::Millisecond => timestamps!(TimestampMillisecondArray),
                TimeUnit::Microsecond => timestamps!(TimestampMicrosecondArray),
                TimeUnit::Nanosecond => timestamps!(TimestampNanosecondArray),
            }
        }
        SqlType::IntervalYearMonth => {
            Arc::new(numbers!(IntervalYearMonthArray, |r| r as i32, |_| i32::MIN, |_| i32::MAX))
        }
        SqlType::IntervalDayTime => {
            Arc::new(numbers!(DurationMillisecondArray, |r| r as i64, |_| i64::MIN, |_| i64::MAX))
        }
        SqlType::Array(item) => {
            let DataType::List(item_field) = field.sql_type.to_arrow() else { unreachable!("a list") };
            let (offsets, nulls) = spans(field.nullable, rows, dice);
            let items = column(item, *offsets.last().unwrap() as usize, dice);
            Arc::new(ListArray::new(item_field, arrow::buffer::OffsetBuffer::new(offsets.into()), items, nulls))
        }
        SqlType::Map(_, value) => {
            let DataType::Map(entries, _) = field.sql_type.to_arrow() else { unreachable!("a map") };
            let DataType::Struct(pair) = entries.data_type() else { unreachable!("a map") };
            let (offsets, nulls) = spans(field.nullable, rows, dice);
            let keys: StringArray = offsets
                .windows(2)
                .flat_map(|w| (0..w[1] - w[0]).map(|i| Some(format!("{} {i}", TEXTS[i as usize % TEXTS.len()]))))
                .collect();
            let values = column(value, keys.len(), dice);
            let entries_array = StructArray::new(pair.clone(), vec![Arc::new(keys), values], None);
            let offsets = arrow::buffer::OffsetBuffer::new(offsets.into());
            Arc::new(MapArray::new(entries, offsets, entries_array, nulls, false))
        }
        SqlType::Row(fields) => {
            let DataType::Struct(arrow_fields) = field.sql_type.to_arrow() else { unreachable!("a struct") };
            let present: Vec<bool> = (0..rows).map(|_| dice.maybe(field.nullable, |_| ()).is_some()).collect();
            let nulls = arrow::buffer::NullBuffer::from(present);
            // What lies below a NULL is NULL too, so that batches can be compared.
            let columns = fields
                .iter()
                .map(|f| {
                    let values = column(f, rows, dice);
                    let gone = BooleanArray::new(!nulls.inner(), None);
                    arrow::compute::nullif(&values, &gone).unwrap()
                })
                .collect();
            Arc::new(StructArray::new(arrow_fields, columns, (nulls.null_count() > 0).then_some(nulls)))
        }
    }
}

fn spans(nullable: bool, rows: usize, dice: &mut Dice) -> (Vec<i32>, Option<arrow::buffer::NullBuffer>) {
    let mut offsets = vec![0];
    let mut present = Vec::new();
    for _ in 0..rows {
        let len = dice.maybe(nullable, |d| (d.roll() % 4) as i32);
        present.push(len.is_some());
        offsets.push(offsets.last().unwrap() + len.unwrap_or(0));
    }
    let nulls = arrow::buffer::NullBuffer::from(present);
    (offsets, (nulls.null_count() > 0).then_some(nulls))
}

/// One column of each type that is not nested.
pub(crate) fn flat_types() -> Vec<SqlField> {
    let types = [
        SqlType::Boolean,
        SqlType::TinyInt,
        SqlType::SmallInt,
        SqlType::Int,
        SqlType::BigInt,
        SqlType::Float,
        SqlType::Double,
        SqlType::Decimal(38, 18),
        SqlType::Decimal(9, 0),
        SqlType::Char(3),
        SqlType::Varchar(20),
        SqlType::STRING,
        SqlType::BYTES,
        SqlType::Date,
        SqlType::Time(0),
        SqlType::Time(3),
        SqlType::Time(6),
        SqlType::Timestamp(0),
        SqlType::Timestamp(1),
        SqlType::Timestamp(3),
        SqlType::Timestamp(6),
        SqlType::Timestamp(9),
        SqlType::TimestampLtz(0),
        SqlType::TimestampLtz(3),
        SqlType::TimestampLtz(6),
        SqlType::IntervalYearMonth,
        SqlType::IntervalDayTime,
    ];
    let mut fields: Vec<SqlField> =
        types.into_iter().enumerate().map(|(i, t)| SqlField::new(format!("c{i}"), t)).collect();
    fields.push(SqlField::new("must", SqlType::STRING).not_null());
    fields
}

/// Columns of nested types.
pub(crate) fn nested_types() -> Vec<SqlField> {
    let unnamed = |t: SqlType| Box::new(SqlField::new("", t));
    let row = SqlType::Row(vec![
        SqlField::new("a", SqlType::Timestamp(3)),
        SqlField::new("b", SqlType::Array(unnamed(SqlType::STRING))),
        SqlField::new("c", SqlType::Row(vec![SqlField::new("d", SqlType::Decimal(10, 2))])),
    ]);
    vec![
        SqlField::new("list", SqlType::Array(unnamed(SqlType::Int))),
        SqlField::new("dense", SqlType::Array(Box::new(SqlField::new("", SqlType::BigInt).not_null()))),
        SqlField::new("lists", SqlType::Array(unnamed(SqlType::Array(unnamed(SqlType::Double))))),
        SqlField::new("map", SqlType::Map(Box::new(SqlType::STRING), unnamed(SqlType::Timestamp(0)))),
        SqlField::new("row", row.clone()),
        SqlField::new("rows", SqlType::Array(unnamed(row.clone()))),
        SqlField::new("deep", SqlType::Map(Box::new(SqlType::STRING), unnamed(row))),
    ]
}

/// `rows` rows of `fields`.
pub(crate) fn sample(fields: &[SqlField], rows: usize) -> RecordBatch {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let schema = Arc::new(Schema::new(fields.iter().map(SqlField::to_arrow).collect::<Vec<_>>()));
    let columns = fields.iter().map(|f| column(f, rows, &mut dice)).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

/// Runs the suite for a format of single records. `bad` are records that it must refuse.
pub(crate) fn check_records(format: &dyn Format, options: &[(&str, &str)], fields: &[SqlField], bad: &[&[u8]]) {
    let options: Options = options.iter().copied().collect();
    let batch = sample(fields, 200);
    let schema = batch.schema();
    let mut encoder = format.encoder(&schema, &options).unwrap();
    let records: Vec<Vec<u8>> = (0..batch.num_rows())
        .map(|row| {
            let mut record = Vec::new();
            encoder.append(&batch, row, &mut record).unwrap();
            record
        })
        .collect();
    // Raw records are bytes of any kind, which files of lines cannot hold; Kafka can.
    if format.framing(&options) == Framing::Lines && format.name() != "raw" {
        assert!(records.iter().all(|r| !r.contains(&b'\n')), "a record holds a line break");
    }

    // There and back, twice with one decoder.
    let mut decoder = format.decoder(&schema, &schema, &options).unwrap();
    for _ in 0..2 {
        for (row, record) in records.iter().enumerate() {
            let result = decoder.push(record);
            assert!(result.is_ok(), "{}: {result:?}", String::from_utf8_lossy(&records[row]));
        }
        assert_eq!(decoder.row_count(), records.len());
        same(&decoder.finish().unwrap(), &batch);
        assert_eq!(decoder.row_count(), 0);
    }

    // Bad records between good ones, cut ones among them.
    for (i, record) in records.iter().enumerate() {
        for bad in bad {
            assert!(decoder.push(bad).is_err(), "{:?} is taken", String::from_utf8_lossy(bad));
        }
        let rows = decoder.row_count();
        if decoder.push(&record[..record.len() / 2]).is_ok() && decoder.row_count() > rows {
            // Half a record may be a record; then a fresh decoder goes on with the good ones.
            decoder = format.decoder(&schema, &schema, &options).unwrap();
            records[..i].iter().for_each(|r| decoder.push(r).unwrap());
        }
        decoder.push(record).unwrap();
    }
    same(&decoder.finish().unwrap(), &batch);

    // Fewer columns, in another order.
    let wanted: Vec<usize> = (0..fields.len()).rev().step_by(2).collect();
    let projected = batch.project(&wanted).unwrap();
    let mut decoder = format.decoder(&projected.schema(), &schema, &options).unwrap();
    records.iter().for_each(|r| decoder.push(r).unwrap());
    same(&decoder.finish().unwrap(), &projected);
}

/// Runs the suite for a format of whole files.
pub(crate) fn check_files(format: &dyn Format, options: &[(&str, &str)], fields: &[SqlField]) {
    let options: Options = options.iter().copied().collect();
    let batch = sample(fields, 3_000);
    let schema = batch.schema();
    let mut writer = format.create(&schema, &options).unwrap();
    let mut file = Vec::new();
    let mut at = 0;
    for rows in [1, 700, 0, 299, 2_000] {
        writer.write(&batch.slice(at, rows)).unwrap();
        at += rows;
        let size = writer.size();
        file.extend(writer.take());
        assert!(size >= file.len() as u64);
        assert_eq!(writer.size(), size, "taking bytes does not change the size");
    }
    file.extend(finish(writer));
    let open = |schema: &SchemaRef| format.open(Box::new(Cursor::new(file.clone())), schema, &options);
    let read = |schema: &SchemaRef, skip: u64, rows: usize| {
        let mut reader = open(schema).unwrap();
        reader.skip(skip).unwrap();
        let mut batches = vec![RecordBatch::new_empty(SchemaRef::clone(schema))];
        while let Some(batch) = reader.next(rows).unwrap() {
            assert!(batch.num_rows() <= rows);
            batches.push(batch);
        }
        concat_batches(schema, &batches).unwrap()
    };
    same(&read(&schema, 0, 8_192), &batch);
    same(&read(&schema, 0, 77), &batch);
    same(&read(&schema, 1_234, 500), &batch.slice(1_234, 1_766));
    assert_eq!(read(&schema, 3_000, 500).num_rows(), 0);
    let mut reader = open(&schema).unwrap();
    same(&reader.next(10).unwrap().unwrap(), &batch.slice(0, 10));
    reader.skip(100).unwrap();
    same(&reader.next(10).unwrap().unwrap(), &batch.slice(110, 10));

    // Fewer columns in another order, one that the file does not have, and none.
    let wanted: Vec<usize> = (0..fields.len()).rev().step_by(2).collect();
    let projected = batch.project(&wanted).unwrap();
    same(&read(&projected.schema(), 0, 1_000), &projected);
    let mut more = projected.schema().fields().to_vec();
    more.push(Arc::new(Field::new("absent", DataType::Int32, true)));
    let read_more = read(&Arc::new(Schema::new(more)), 0, 1_000);
    assert_eq!(read_more.column(wanted.len()).null_count(), 3_000);
    let mut reader = open(&Arc::new(Schema::empty())).unwrap();
    let mut rows = 0;
    while let Some(batch) = reader.next(1_000).unwrap() {
        rows += batch.num_rows();
    }
    assert_eq!(rows, 3_000);

    // What it tells of itself can be asked for.
    let told = format.infer(Box::new(Cursor::new(file.clone())), &options).unwrap();
    assert_eq!(told.fields().len(), fields.len());
    assert_eq!(read(&told, 0, 4_096).num_rows(), 3_000);

    // Broken files are refused, or give rows; they do not panic.
    for cut in [0, 1, 4, 5, 30, file.len() / 2, file.len() - 1] {
        let broken = file[..cut].to_vec();
        if let Ok(mut reader) = format.open(Box::new(Cursor::new(broken)), &schema, &options) {
            while let Ok(Some(_)) = reader.next(1_000) {}
        }
    }
    for at in (0..file.len()).step_by(file.len() / 200 + 1) {
        let mut broken = file.clone();
        broken[at] ^= 0xFF;
        if let Ok(mut reader) = format.open(Box::new(Cursor::new(broken)), &schema, &options) {
            while let Ok(Some(_)) = reader.next(1_000) {}
        }
    }

    // A file without rows.
    let empty = finish(format.create(&schema, &options).unwrap());
    let mut reader = format.open(Box::new(Cursor::new(empty)), &schema, &options).unwrap();
    assert!(reader.next(10).unwrap().is_none());
}

fn finish(writer: Box<dyn FileWriter>) -> Vec<u8> {
    writer.finish().unwrap()
}

/// Asserts that two batches are equal, and names the first column and row where they are not.
fn same(left: &RecordBatch, right: &RecordBatch) {
    assert_eq!(left.schema(), right.schema());
    assert_eq!(left.num_rows(), right.num_rows());
    for (i, field) in left.schema().fields().iter().enumerate() {
        let (l, r) = (left.column(i), right.column(i));
        if l == r {
            continue;
        }
        for row in 0..left.num_rows() {
            let shown = |a: &ArrayRef| format!("{:?}", a.slice(row, 1));
            assert!(l.slice(row, 1) == r.slice(row, 1), "{} at row {row}: {}\n{}", field, shown(l), shown(r));
        }
    }
}

#[test]
fn every_format_is_documented() {
    let mut names = Vec::new();
    for format in crate::FORMATS {
        assert!(!format.doc().is_empty());
        assert!(format.options().iter().all(|o| !o.doc.is_empty() && o.doc.is_ascii()));
        assert_eq!(crate::find(format.name()).unwrap().name(), format.name());
        names.push(format.name());
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), crate::FORMATS.len());
    assert_eq!(crate::find("jsn").err().unwrap().hint_text(), Some("did you mean \"json\"?"));
}
