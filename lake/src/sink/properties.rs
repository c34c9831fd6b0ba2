//! Table properties and options that steer writing, and what they mean.

use freshet_types::{Error, Options, Result};
use iceberg::spec::TableMetadata;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

/// How files are written.
#[derive(Debug, Clone)]
pub(crate) struct WriteProperties {
    /// Size at which a file is closed.
    pub(crate) target_size: u64,
    /// Most rows of a row group.
    pub(crate) row_group_rows: usize,
    pub(crate) compression: Compression,
    /// Folder of the data files.
    pub(crate) data_folder: String,
    /// Files below this size are merged with others of the job.
    pub(crate) small_size: u64,
    /// How many small files are left alone; 0 never merges.
    pub(crate) small_count: usize,
}

impl WriteProperties {
    pub(crate) fn parse(metadata: &TableMetadata, options: &Options) -> Result<Self> {
        let mut all: Options = metadata.properties().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        for (name, value) in options.iter() {
            all.set(name, value);
        }
        if let Some(format) = all.get("write.format.default").filter(|f| !f.eq_ignore_ascii_case("parquet")) {
            return Err(Error::unsupported(
                "lake.format",
                format!("data files of format \"{format}\" are not written"),
            )
            .hint("set 'write.format.default' = 'parquet'"));
        }
        if all.get("encryption.key-id").is_some() {
            return Err(Error::unsupported(
                "lake.encrypted",
                "the table is encrypted, and rows are written in the clear only",
            )
            .hint("write to it with an engine that has its key"));
        }
        let positive =
            |name: &str, default: u64| -> Result<u64> {
                match all.size(name)? {
                    Some(0) => Err(Error::invalid("option.invalid", format!("option \"{name}\" is 0"))
                        .hint("write a number above 0")),
                    Some(n) => Ok(n),
                    None => Ok(default),
                }
            };
        let target_size = positive("write.target-file-size-bytes", 512 << 20)?;
        let data_folder = match all.get("write.data.path") {
            Some(folder) => folder.trim_end_matches('/').to_string(),
            None => format!("{}/data", metadata.location()),
        };
        Ok(Self {
            target_size,
            row_group_rows: positive("write.parquet.row-group-limit", 1 << 17)? as usize,
            compression: compression(&all)?,
            data_folder,
            small_size: all.size("freshet.small-file-size-bytes")?.unwrap_or(16 << 20).min(target_size / 2),
            small_count: all.int("freshet.small-files-max")?.unwrap_or(16).max(0) as usize,
        })
    }
}

fn compression(all: &Options) -> Result<Compression> {
    let level = all.int("write.parquet.compression-level")?;
    let wrong = |e: parquet::errors::ParquetError| {
        Error::invalid("option.invalid", format!("option \"write.parquet.compression-level\": {e}"))
            .hint("leave it out, or choose a level that the codec has")
    };
    let codec = all.get("write.parquet.compression-codec").unwrap_or("zstd").to_ascii_lowercase();
    Ok(match codec.as_str() {
        "zstd" => Compression::ZSTD(ZstdLevel::try_new(level.unwrap_or(1) as i32).map_err(wrong)?),
        "gzip" => Compression::GZIP(GzipLevel::try_new(level.unwrap_or(6) as u32).map_err(wrong)?),
        "snappy" => Compression::SNAPPY,
        "lz4" => Compression::LZ4_RAW,
        "uncompressed" | "none" => Compression::UNCOMPRESSED,
        other => {
            return Err(Error::invalid(
                "option.invalid",
                format!("option \"write.parquet.compression-codec\" is \"{other}\""),
            )
            .hint("known codecs: zstd, snappy, lz4, gzip, uncompressed"));
        }
    })
}
