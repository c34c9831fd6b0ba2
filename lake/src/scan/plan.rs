//! From a snapshot to a physical plan: which files, which deletes, in how many partitions.

use super::adapt::ByFieldId;
use super::avro::AvroExec;
use super::deletes::Positions;
use super::equality::{DeletedKeys, EqualityDeleteExec};
use super::literal;
use super::prune::Pruner;
use super::shape::Shape;
use crate::error::Explain;
use crate::files::{self, FileEntry};
use crate::io::LakeIo;
use crate::table::LakeTable;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{conjunction_opt, split_conjunction};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use freshet_connectors::storage::wait;
use freshet_types::{Error, Result};
use iceberg::spec::{DataContentType, DataFileFormat, ManifestContentType, Snapshot, Struct, TableMetadata, Transform};
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::ParquetObjectReader;
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Name of the hidden column that holds the sequence number of a row's file.
const SEQUENCE: &str = "__sequence";

/// A data file to read, with what was deleted from it.
#[derive(Debug, Clone)]
pub(crate) struct ReadTask {
    pub(crate) entry: FileEntry,
    /// Deleted positions.
    pub(crate) deleted: Option<Arc<RoaringTreemap>>,
    /// Deleted keys.
    pub(crate) keys: Vec<Arc<DeletedKeys>>,
    /// Columns that are the same in all rows of the file, by field id: partition values.
    pub(crate) constants: BTreeMap<i32, ScalarValue>,
}

/// What is asked of a plan.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) io: LakeIo,
    pub(crate) shape: Arc<Shape>,
    /// Visible columns; none means all.
    pub(crate) projection: Option<Vec<usize>>,
    /// Leaves out row groups and pages.
    pub(crate) predicate: Option<Arc<dyn PhysicalExpr>>,
    pub(crate) limit: Option<usize>,
    pub(crate) partitions: usize,
}

impl Request {
    /// All rows of all columns, in order.
    pub(crate) fn whole(io: &LakeIo, shape: Arc<Shape>) -> Self {
        Self { io: io.clone(), shape, projection: None, predicate: None, limit: None, partitions: 1 }
    }
}

/// A plan, and the stores that it reads from.
pub(crate) struct Planned {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) stores: Vec<(ObjectStoreUrl, Arc<dyn ObjectStore>)>,
}

pub(super) fn no_format(format: DataFileFormat, path: &str) -> Error {
    Error::unsupported("lake.file_format", format!("file \"{path}\" has the format {format}"))
        .hint("rewrite the table's data files as Parquet with the writer that made them")
}

/// The data files of a snapshot that may hold rows of the answer, with their deletes, in the order of their commits.
pub(crate) fn tasks_of(
    table: &LakeTable,
    snapshot: Option<&Snapshot>,
    shape: &Arc<Shape>,
    filter: Option<&Arc<dyn PhysicalExpr>>,
) -> Result<Vec<ReadTask>> {
    let Some(snapshot) = snapshot else { return Ok(Vec::new()) };
    let (io, metadata) = (&table.loaded().io, table.metadata());
    let pruner = Pruner::new(shape, metadata, filter);
    let (data, deletes): (Vec<_>, Vec<_>) = files::manifests(io, metadata, snapshot)?
        .into_iter()
        .filter(|m| m.has_added_files() || m.has_existing_files())
        .partition(|m| m.content == ManifestContentType::Data);
    let mut entries = Vec::new();
    for manifest in pruner.manifests(data) {
        entries.extend(files::read_manifest(io, metadata, &manifest)?.entries.into_iter().filter(FileEntry::is_live));
    }
    let mut entries = pruner.files(entries);
    entries.sort_by(|a, b| (a.file_sequence, a.file.file_path()).cmp(&(b.file_sequence, b.file.file_path())));
    let (mut positions, mut equality) = (Vec::new(), Vec::new());
    for manifest in deletes {
        for entry in files::read_manifest(io, metadata, &manifest)?.entries.into_iter().filter(FileEntry::is_live) {
            match entry.file.content_type() {
                DataContentType::PositionDeletes => positions.push(entry),
                DataContentType::EqualityDeletes => equality.push(entry),
                DataContentType::Data => {}
            }
        }
    }
    let mut positions = Positions::new(io, metadata, positions)?;
    let mut keys = Keys { io, metadata, shape, deletes: &equality, read: HashMap::new() };
    entries
        .into_iter()
        .map(|entry| {
            let deleted = positions.of(&entry)?.map(Arc::new);
            Ok(ReadTask { deleted, keys: keys.of(&entry)?, ..plain_task(entry, metadata)? })
        })
        .collect()
}

/// A data file from which nothing was deleted.
///
/// # Errors
/// `lake.file_format`, `lake.encrypted` for files that cannot be read.
pub(crate) fn plain_task(entry: FileEntry, metadata: &TableMetadata) -> Result<ReadTask> {
    let format = entry.file.file_format();
    if !matches!(format, DataFileFormat::Parquet | DataFileFormat::Avro) {
        return Err(no_format(format, entry.file.file_path()));
    }
    if entry.file.key_metadata().is_some_and(|key| !key.is_empty()) {
        return Err(files::encrypted().at("file", entry.file.file_path()));
    }
    Ok(ReadTask { deleted: None, keys: Vec::new(), constants: constants(&entry, metadata), entry })
}

/// Equality deletes by scope: a partition, or the whole table.
struct Keys<'a> {
    io: &'a LakeIo,
    metadata: &'a TableMetadata,
    shape: &'a Arc<Shape>,
    deletes: &'a [FileEntry],
    read: HashMap<Scope, Arc<DeletedKeys>>,
}

/// Partition (none: the whole table) and key columns of equality deletes.
type Scope = (Option<(i32, Struct)>, Vec<i32>);

impl Keys<'_> {
    fn scope(&self, delete: &FileEntry) -> Scope {
        let mut ids = delete.file.equality_ids().unwrap_or_default();
        ids.sort_unstable();
        let everywhere = self.metadata.partition_spec_by_id(delete.spec_id).is_none_or(|s| s.is_unpartitioned());
        ((!everywhere).then(|| (delete.spec_id, files::widened(delete.file.partition()))), ids)
    }

    fn of(&mut self, data: &FileEntry) -> Result<Vec<Arc<DeletedKeys>>> {
        let mut scopes: Vec<Scope> = Vec::new();
        let partition = (!self.deletes.is_empty()).then(|| files::widened(data.file.partition()));
        for delete in self.deletes.iter().filter(|d| d.sequence > data.sequence) {
            let scope = self.scope(delete);
            let inside = scope
                .0
                .as_ref()
                .is_none_or(|(spec, of_delete)| *spec == data.spec_id && Some(of_delete) == partition.as_ref());
            if inside && !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
            .into_iter()
            .map(|scope| {
                if let Some(known) = self.read.get(&scope) {
                    return Ok(Arc::clone(known));
                }
                let of_scope: Vec<&FileEntry> = self.deletes.iter().filter(|d| self.scope(d) == scope).collect();
                let shape = self.shape.with_columns(&scope.1, self.metadata)?;
                let keys = Arc::new(DeletedKeys::read(self.io, &shape, &scope.1, &of_scope)?);
                self.read.insert(scope, Arc::clone(&keys));
                Ok(keys)
            })
            .collect()
    }
}

/// Identity partition values: files that were taken over from Hive do not hold these columns.
fn constants(entry: &FileEntry, metadata: &TableMetadata) -> BTreeMap<i32, ScalarValue> {
    let mut constants = BTreeMap::new();
    let Some(spec) = metadata.partition_spec_by_id(entry.spec_id) else { return constants };
    for (field, value) in spec.fields().iter().zip(entry.file.partition().iter()) {
        if field.transform != Transform::Identity {
            continue;
        }
        let source = metadata.schemas_iter().find_map(|s| s.field_by_id(field.source_id));
        let Some(source) = source else { continue };
        let scalar = match value {
            Some(value) => literal::scalar(value, &source.field_type),
            None => literal::null(&crate::schema::file_type(&source.field_type)),
        };
        if let Some(scalar) = scalar {
            constants.insert(field.source_id, scalar);
        }
    }
    constants
}

/// The plan that reads `tasks`.
pub(crate) fn plan(request: &Request, tasks: Vec<ReadTask>) -> Result<Planned> {
    let mut stores: Vec<(ObjectStoreUrl, Arc<dyn ObjectStore>)> = Vec::new();
    // Files that share their deleted keys, their storage and their format are read together.
    let mut groups: BTreeMap<(Vec<usize>, String, bool), Vec<ReadTask>> = BTreeMap::new();
    for task in tasks {
        let keys = task.keys.iter().map(|k| Arc::as_ptr(k) as usize).collect();
        let url = store_of(&request.io, &task, &mut stores)?;
        let avro = task.entry.file.file_format() == DataFileFormat::Avro;
        groups.entry((keys, url.as_str().to_string(), avro)).or_default().push(task);
    }
    let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
    for ((_, url, avro), tasks) in groups {
        let url = stores.iter().find(|(u, _)| u.as_str() == url).map(|(u, _)| u.clone()).expect("it was just added");
        plans.push(group(request, &url, avro, tasks)?);
    }
    let plan = match plans.len() {
        0 => Arc::new(EmptyExec::new(output_schema(request)?)) as Arc<dyn ExecutionPlan>,
        1 => plans.remove(0),
        _ => UnionExec::try_new(plans).map_err(internal)?,
    };
    Ok(Planned { plan, stores })
}

fn internal(e: datafusion::error::DataFusionError) -> Error {
    Error::internal("lake.plan", e.to_string())
}

fn output_schema(request: &Request) -> Result<SchemaRef> {
    let schema = request.shape.schema();
    let indices: Vec<usize> = match &request.projection {
        Some(projection) => projection.clone(),
        None => (0..request.shape.visible).collect(),
    };
    Ok(Arc::new(schema.project(&indices)?))
}

/// The address under which DataFusion finds the store of a file.
fn store_of(
    io: &LakeIo,
    task: &ReadTask,
    stores: &mut Vec<(ObjectStoreUrl, Arc<dyn ObjectStore>)>,
) -> Result<ObjectStoreUrl> {
    let (storage, _) = io.place(task.entry.file.file_path())?;
    let address = if storage.is_local() {
        "file://".to_string()
    } else {
        // Two tables of one bucket may have credentials of their own: each storage gets an address of its own.
        let url = url::Url::parse(storage.url())
            .map_err(|e| Error::internal("lake.url", format!("\"{}\": {e}", storage.url())))?;
        format!(
            "lake-{:08x}-{}://{}",
            Arc::as_ptr(&storage.object_store()) as *const u8 as usize,
            url.scheme(),
            url.host_str().unwrap_or("store")
        )
    };
    let url = ObjectStoreUrl::parse(&address).map_err(internal)?;
    if !stores.iter().any(|(known, _)| *known == url) {
        stores.push((url.clone(), storage.object_store()));
    }
    Ok(url)
}

fn group(request: &Request, url: &ObjectStoreUrl, avro: bool, tasks: Vec<ReadTask>) -> Result<Arc<dyn ExecutionPlan>> {
    let keys = tasks.first().map(|t| t.keys.clone()).unwrap_or_default();
    let mut shape = Arc::clone(&request.shape);
    for delete in &keys {
        for column in delete.columns.iter().filter(|c| request.shape.index_of(c.field.id).is_none()) {
            if shape.index_of(column.field.id).is_none() {
                shape = Arc::new(shape.with_column(column.clone()));
            }
        }
    }
    let visible: Vec<usize> = match &request.projection {
        Some(projection) => projection.clone(),
        None => (0..request.shape.visible).collect(),
    };
    let mut indices = visible.clone();
    for id in keys.iter().flat_map(|k| &k.ids) {
        if let Some(i) = shape.index_of(*id).filter(|i| !indices.contains(i)) {
            indices.push(i);
        }
    }
    let mut fields: Vec<_> = shape.schema().fields().iter().cloned().collect();
    if !keys.is_empty() {
        indices.push(fields.len());
        fields.push(Arc::new(Field::new(SEQUENCE, DataType::Int64, false)));
    }
    let schema = Arc::new(Schema::new(fields));
    let positions: HashMap<usize, usize> = indices.iter().enumerate().map(|(at, i)| (*i, at)).collect();
    let input: Arc<dyn ExecutionPlan> = if avro {
        Arc::new(AvroExec::new(request.io.clone(), Arc::clone(&shape), schema, indices, tasks)?)
    } else {
        parquet(request, url, &shape, schema, indices, tasks)?
    };
    if keys.is_empty() {
        return Ok(input);
    }
    let kept = visible.len();
    Ok(Arc::new(EqualityDeleteExec::new(input, shape, keys, &positions, kept).map_err(internal)?))
}

fn parquet(
    request: &Request,
    url: &ObjectStoreUrl,
    shape: &Arc<Shape>,
    schema: SchemaRef,
    indices: Vec<usize>,
    tasks: Vec<ReadTask>,
) -> Result<Arc<dyn ExecutionPlan>> {
    // Times of files that came from Hive reach further than nanoseconds do.
    let mut options = TableParquetOptions::default();
    options.global.coerce_int96 = Some("us".to_string());
    let mut source =
        ParquetSource::new(Arc::clone(&schema)).with_table_parquet_options(options).with_enable_page_index(true);
    if let Some(predicate) = request.predicate.as_ref().and_then(|p| without_nans(p, shape, &tasks)) {
        source = source.with_predicate(predicate);
    }
    let exact = tasks.iter().all(|t| t.deleted.is_none() && t.keys.is_empty());
    let rows: usize = tasks.iter().map(|t| t.entry.file.record_count() as usize).sum();
    let bytes: usize = tasks.iter().map(|t| t.entry.file.file_size_in_bytes() as usize).sum();
    let mut statistics = Statistics::new_unknown(&schema);
    statistics.num_rows = if exact { Precision::Exact(rows) } else { Precision::Inexact(rows) };
    statistics.total_byte_size = Precision::Inexact(bytes);
    let partitions = request.partitions.min(tasks.len()).max(1);
    let share = (bytes / partitions).max(1);
    let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new()];
    let mut filled = 0;
    for task in &tasks {
        if filled >= share && groups.len() < partitions {
            groups.push(Vec::new());
            filled = 0;
        }
        filled += task.entry.file.file_size_in_bytes() as usize;
        let file = partitioned_file(&request.io, shape, &schema, task)?;
        groups.last_mut().expect("there is a first group").push(file);
    }
    let limit = request.limit.filter(|_| tasks.iter().all(|t| t.keys.is_empty()));
    let config = FileScanConfigBuilder::new(url.clone(), Arc::new(source))
        .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
        .with_statistics(statistics)
        .with_expr_adapter(Some(Arc::new(ByFieldId(Arc::clone(shape)))))
        .with_limit(limit)
        .with_projection_indices(Some(indices))
        .map_err(internal)?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// The parts of a filter that row groups and pages may be left out by: their bounds leave NaN out, which is larger than
/// everything, so that a column of floating point numbers counts only where no file has one.
fn without_nans(predicate: &Arc<dyn PhysicalExpr>, shape: &Shape, tasks: &[ReadTask]) -> Option<Arc<dyn PhysicalExpr>> {
    let may_hold_nan = |name: &str| {
        let column = shape.columns.iter().find(|c| c.arrow.name() == name);
        column.is_some_and(|c| {
            let counts = |t: &ReadTask| t.entry.file.nan_value_counts().get(&c.field.id) == Some(&0);
            c.field.field_type.is_floating_type() && !tasks.iter().all(counts)
        })
    };
    let usable = split_conjunction(predicate)
        .into_iter()
        .filter(|part| !collect_columns(part).iter().any(|c| may_hold_nan(c.name())));
    conjunction_opt(usable.cloned())
}

fn partitioned_file(io: &LakeIo, shape: &Shape, schema: &SchemaRef, task: &ReadTask) -> Result<PartitionedFile> {
    let (storage, path) = io.place(task.entry.file.file_path())?;
    let location = storage.object_path(&path)?;
    // The footer stands at the end: a manifest that is wrong about it is put right where a look costs next to nothing.
    let actual = if storage.is_local() { storage.stat(&path)?.map(|e| e.size) } else { None };
    let size = actual.unwrap_or_else(|| task.entry.file.file_size_in_bytes());
    let meta = ObjectMeta {
        location: location.clone(),
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size,
        e_tag: None,
        version: None,
    };
    let mut file = PartitionedFile::new_from_meta(meta);
    if !task.constants.is_empty() || !task.keys.is_empty() {
        file = file.with_statistics(Arc::new(constant_columns(shape, schema, task)));
    }
    if let Some(deleted) = &task.deleted {
        let footer = footer(storage.object_store(), location, size, task.entry.file.file_path())?;
        file = file.with_extension(access_plan(&footer, deleted));
    }
    Ok(file)
}

/// Statistics that say nothing but that some columns are constant: the reader then takes the value from here.
fn constant_columns(shape: &Shape, schema: &SchemaRef, task: &ReadTask) -> Statistics {
    let rows = task.entry.file.record_count() as usize;
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = Precision::Exact(rows);
    let mut set = |index: usize, value: ScalarValue| {
        let column = &mut statistics.column_statistics[index];
        *column = ColumnStatistics::new_unknown();
        if value.is_null() {
            column.null_count = Precision::Exact(rows);
        } else {
            column.null_count = Precision::Exact(0);
            column.min_value = Precision::Exact(value.clone());
            column.max_value = Precision::Exact(value);
        }
    };
    for (id, value) in &task.constants {
        if let Some(index) = shape.index_of(*id)
            && let Ok(value) = value.cast_to(shape.columns[index].arrow.data_type())
        {
            set(index, value);
        }
    }
    if !task.keys.is_empty() {
        set(schema.fields().len() - 1, ScalarValue::Int64(Some(task.entry.sequence)));
    }
    statistics
}

fn footer(
    store: Arc<dyn ObjectStore>,
    location: object_store::path::Path,
    size: u64,
    name: &str,
) -> Result<ArrowReaderMetadata> {
    let loaded = wait(async move {
        let mut reader = ParquetObjectReader::new(store, location).with_file_size(size);
        ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await
    })?;
    loaded.explain(&format!("data file \"{name}\""))
}

/// The rows of each row group that were not deleted.
fn access_plan(footer: &ArrowReaderMetadata, deleted: &RoaringTreemap) -> ParquetAccessPlan {
    let mut start = 0_u64;
    let mut groups = Vec::new();
    for group in footer.metadata().row_groups() {
        let end = start + group.num_rows().max(0) as u64;
        let gone = deleted.range_cardinality(start..end);
        groups.push(if gone == 0 {
            RowGroupAccess::Scan
        } else if gone == end - start {
            RowGroupAccess::Skip
        } else {
            RowGroupAccess::Selection(selection(deleted, start, end))
        });
        start = end;
    }
    ParquetAccessPlan::new(groups)
}

fn selection(deleted: &RoaringTreemap, start: u64, end: u64) -> RowSelection {
    let mut selectors = Vec::new();
    let mut next = start;
    for position in deleted.iter().skip_while(|p| *p < start).take_while(|p| *p < end) {
        if position > next {
            selectors.push(RowSelector::select((position - next) as usize));
        }
        selectors.push(RowSelector::skip(1));
        next = position + 1;
    }
    if next < end {
        selectors.push(RowSelector::select((end - next) as usize));
    }
    selectors.into()
}
