//! The small tokio runtime on which calls to remote storage run, and the way to wait for one from any thread.

use freshet_types::{Error, Result};
use std::future::Future;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

/// The runtime of all storage calls of the process; made at its first use.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("freshet-storage")
            .enable_all()
            .build()
            .expect("a process that cannot start two threads cannot work")
    })
}

/// Runs `future` on [`runtime`] and blocks until it ends. Unlike `Runtime::block_on` it may be called from a thread of
/// another runtime.
///
/// # Errors
/// `storage.panicked` when the future panics.
pub fn wait<F>(future: F) -> Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    runtime().spawn(async move {
        // The receiver only goes away with the waiting thread itself.
        let _ = sender.send(future.await);
    });
    receiver.recv().map_err(|_| Error::internal("storage.panicked", "a call to the storage panicked"))
}
