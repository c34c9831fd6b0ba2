//! Ctrl-C: the first asks the running job to checkpoint and stop, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the interrupts of this process.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<AtomicUsize>);

impl Interrupts {
    /// Begins to listen for Ctrl-C and SIGTERM.
    pub(crate) fn listen() -> Self {
        let interrupts = Self::default();
        let count = Arc::clone(&interrupts.0);
        let listener = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
            runtime.block_on(async {
                loop {
                    wait().await;
                    if count.fetch_add(1, Ordering::SeqCst) > 0 {
                        std::process::exit(130);
                    }
                }
            });
        };
        let started = std::thread::Builder::new().name("interrupts".into()).spawn(listener);
        if let Err(e) = started {
            tracing::warn!(error = %e, "ctrl-c ends the process without a last checkpoint");
        }
        interrupts
    }

    /// Interrupts so far.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Forgets interrupts: a new statement begins.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

#[cfg(unix)]
async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        }
        _ => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn wait() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
