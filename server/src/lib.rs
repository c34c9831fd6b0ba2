//! Floor 7: the session that executes statements and runs jobs; [`assemble`] names every concrete part of the build.
//!
//! Must never know: the terminal.

mod assemble;
mod collect;
mod dead_letters;
mod dead_notices;
mod dry_lake;
mod lake_questions;
mod lazy_lake;
mod observer;
mod report;
mod result;
mod session;
mod text_rows;

pub use freshet_connector_api::Extent;
pub use freshet_engine::job::{JobReport, JobStatus, SourceStatus};
pub use freshet_sql::diagnose::diagnose;
pub use freshet_sql::parse::is_complete;
pub use freshet_sql::variables::replace_variables;
pub use lake_questions::{LakeAnswer, LakeQuestion, lake_chores};
pub use observer::{Control, Observer};
pub use report::report_json;
pub use result::{OrderTerm, ResultInfo, ResultWriter};
pub use session::{Session, SessionOptions};
