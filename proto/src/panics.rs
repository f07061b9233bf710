//! Panics of libraries, turned into errors: a file or a device that makes a library panic must neither
//! end the process nor write to its stderr.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of calls in progress that catch the panics of all threads.
static CAUGHT_EVERYWHERE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether a caller on this thread catches its panics and reports them itself.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, a call into a library. If it panics, nothing is written to stderr; panics of other
/// threads are reported as usual.
///
/// # Errors
/// When `work` panics: the first line of the panic's message.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.get() && CAUGHT_EVERYWHERE.load(Ordering::Relaxed) == 0 {
                report(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let worked = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    worked.map_err(|panic| {
        let said = said(&*panic).unwrap_or("it panicked");
        // Some libraries append their own stack to the message, sometimes as escaped text.
        let line = said.lines().next().unwrap_or(said);
        line.split("\\n").next().unwrap_or(line).to_owned()
    })
}

/// Like [`caught`], for a library with threads of its own, which returns their panics to the caller.
/// No thread's panic is reported meanwhile, so use it for moments only, such as opening a device.
///
/// # Errors
/// As [`caught`].
pub fn caught_everywhere<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    CAUGHT_EVERYWHERE.fetch_add(1, Ordering::Relaxed);
    let worked = caught(work);
    CAUGHT_EVERYWHERE.fetch_sub(1, Ordering::Relaxed);
    worked
}

/// The message of a panic, if it is text.
pub fn said(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_is_what_it_said_first() {
        let number = 7;
        let said = caught(|| panic!("byte {number} is wrong\nstack: …")).expect_err("panics");
        assert_eq!(said, "byte 7 is wrong");
        assert_eq!(caught(|| panic!("a\\nb")).expect_err("panics"), "a");
        assert_eq!(caught(|| 1), Ok(1));
    }

    #[test]
    fn one_in_another_is_caught_by_the_inner_alone() {
        let outer = caught(|| {
            let inner = caught(|| panic!("inner")).expect_err("panics");
            assert_eq!(inner, "inner");
            panic!("outer")
        });
        assert_eq!(outer.expect_err("panics"), "outer");
    }
}
