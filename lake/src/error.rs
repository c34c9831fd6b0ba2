//! Turns the errors of the crate `iceberg` into ours.

use freshet_types::Error;

/// An error of the crate `iceberg` about `what`.
pub(crate) fn iceberg_error(e: iceberg::Error, what: &str) -> Error {
    let text = format!("{what}: {}", e.message());
    match e.kind() {
        iceberg::ErrorKind::FeatureUnsupported => Error::unsupported("lake.unsupported", text),
        iceberg::ErrorKind::DataInvalid => Error::data("lake.invalid", text),
        _ => Error::internal("lake.iceberg", text),
    }
    .because(e.to_string())
}

/// Shortens `map_err` for errors of the crate `iceberg`.
pub(crate) trait Explain<T> {
    /// The error becomes ours; `what` names the thing that it is about.
    fn explain(self, what: &str) -> freshet_types::Result<T>;
}

impl<T> Explain<T> for iceberg::Result<T> {
    fn explain(self, what: &str) -> freshet_types::Result<T> {
        self.map_err(|e| iceberg_error(e, what))
    }
}

impl<T> Explain<T> for parquet::errors::Result<T> {
    fn explain(self, what: &str) -> freshet_types::Result<T> {
        self.map_err(|e| Error::data("lake.parquet", format!("{what}: {e}")))
    }
}
