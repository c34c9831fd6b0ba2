//! Turns errors of DataFusion into ours, without losing one of ours that travelled inside.

use datafusion::error::DataFusionError;
use freshet_types::Error;

/// The error of ours that `error` carries, or one that says the same in our words.
pub fn from_datafusion(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => from_boxed(inner),
        DataFusionError::ArrowError(inner, _) => match *inner {
            arrow::error::ArrowError::ExternalError(inner) => from_boxed(inner),
            inner => Error::from(inner),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_datafusion(*inner),
        DataFusionError::Execution(text) => Error::data("value.invalid", text),
        DataFusionError::ResourcesExhausted(text) => {
            Error::new(freshet_types::ErrorKind::Exhausted, "memory.full", text).hint("raise the memory limit")
        }
        DataFusionError::NotImplemented(text) => Error::unsupported("expression.unsupported", text),
        other => Error::internal("expression.failed", other.to_string()),
    }
}

fn from_boxed(inner: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match inner.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(inner) => match inner.downcast::<DataFusionError>() {
            Ok(error) => from_datafusion(*error),
            Err(inner) => Error::data("value.invalid", inner.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_error_comes_back_whole() {
        let ours = Error::data("cast.failed", "text \"x\" is no INT").hint("use TRY_CAST");
        let wrapped = DataFusionError::External(Box::new(ours)).context("while projecting");
        let back = from_datafusion(wrapped);
        assert_eq!(back.code(), "cast.failed");
        assert_eq!(back.to_string(), "text \"x\" is no INT; use TRY_CAST");
    }
}
