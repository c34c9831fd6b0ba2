//! Runs work of a library that may panic over broken input, and makes a text of the panic. Nothing is printed.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread runs work whose panics are expected.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The result of `work`, or the text of its panic. Meant for libraries that take broken bytes for a bug of their caller;
/// what `work` has changed when it panics is thrown away by the caller.
///
/// ```
/// use freshet_types::caught::caught;
/// assert_eq!(caught(|| 7), Ok(7));
/// assert_eq!(caught::<()>(|| panic!("no {}", "page")), Err("no page".to_string()));
/// ```
///
/// # Errors
/// The text of the panic.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                print(info);
            }
        }));
    });
    let before = EXPECTED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("unknown reason").to_string()
    })
}
