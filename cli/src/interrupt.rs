//! Ctrl-C and SIGTERM: the first asks what runs to stop, a later one ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the interrupts of this process.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<AtomicUsize>);

impl Interrupts {
    /// Begins to listen; interrupt number `last` ends the process at once, with exit code 130.
    pub(crate) fn listen(last: usize) -> Self {
        let interrupts = Self::default();
        let count = Arc::clone(&interrupts.0);
        let listener = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
            runtime.block_on(each_interrupt(|| {
                if count.fetch_add(1, Ordering::SeqCst) + 1 >= last {
                    std::process::exit(130);
                }
            }));
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
async fn each_interrupt(act: impl Fn()) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        let heard = tokio::select! { heard = interrupt.recv() => heard, heard = terminate.recv() => heard };
        if heard.is_none() {
            return;
        }
        act();
    }
}

#[cfg(not(unix))]
async fn each_interrupt(act: impl Fn()) {
    while tokio::signal::ctrl_c().await.is_ok() {
        act();
    }
}
