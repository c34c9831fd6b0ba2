//! The loop that a path from NDJSON into a Parquet lake cannot be quicker than: read, cut lines, decode, encode, write, on
//! one thread, without offsets, checkpoints, statistics of a table or a commit.

use arrow::datatypes::{Schema, SchemaRef};
use freshet_types::{Error, Options, Result, SqlField, SqlType};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

const BATCH_ROWS: usize = 8_192;

/// Columns of a bid as the benchmark's files hold them.
fn bid() -> SchemaRef {
    let fields = [
        ("auction", SqlType::BigInt),
        ("bidder", SqlType::BigInt),
        ("price", SqlType::BigInt),
        ("channel", SqlType::STRING),
        ("url", SqlType::STRING),
        ("dateTime", SqlType::Timestamp(3)),
        ("extra", SqlType::STRING),
    ];
    Arc::new(Schema::new(fields.map(|(name, sql_type)| SqlField::new(name, sql_type).to_arrow()).to_vec()))
}

/// Turns the bids of every file in `folder` into the one Parquet file `target`.
pub(crate) fn run(folder: &Path, target: &Path) -> Result<()> {
    let trouble = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| Error::unavailable("bench.file", format!("file \"{path}\": {e}"))
    };
    let schema = bid();
    // The same encodings that the lake chooses for these columns.
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(1 << 17));
    for column in ["auction", "bidder", "price", "url", "dateTime", "extra"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    let out = File::create(target).map_err(trouble(target))?;
    let failed = |e: parquet::errors::ParquetError| Error::internal("bench.parquet", e.to_string());
    let mut writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties.build())).map_err(failed)?;
    let mut decoder = freshet_formats::find("json")?.decoder(&schema, &schema, &Options::default())?;
    let mut files: Vec<_> = std::fs::read_dir(folder).map_err(trouble(folder))?.flatten().map(|f| f.path()).collect();
    files.retain(|path| {
        path.is_file() && path.file_name().is_some_and(|n| !n.to_string_lossy().starts_with(['_', '.']))
    });
    files.sort();
    for path in &files {
        let mut reader = BufReader::with_capacity(256 << 10, File::open(path).map_err(trouble(path))?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(trouble(path))? > 0 {
            let record = line.strip_suffix(b"\n").unwrap_or(&line);
            decoder.push(record).map_err(|e| Error::data("bench.record", e.reason))?;
            line.clear();
            if decoder.row_count() == BATCH_ROWS {
                writer.write(&decoder.finish()?).map_err(failed)?;
            }
        }
    }
    writer.write(&decoder.finish()?).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(())
}
