//! Panics of libraries, made errors: what a file or a device does to somebody else's code must neither
//! end a process nor write to its stderr.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many calls have the panics of all threads caught.
static CAUGHT_EVERYWHERE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether what panics in this thread is caught and told by who called it.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, a call into a library; of a panic, what it said first. Nothing is written to stderr,
/// while other threads' panics are reported as ever.
///
/// # Errors
/// When `work` panics: the first line of what it said.
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
        // Libraries put their own stack behind what they say, sometimes as escaped text.
        let line = said.lines().next().unwrap_or(said);
        line.split("\\n").next().unwrap_or(line).to_owned()
    })
}

/// Like [`caught`], for a library that works in threads of its own, whose panics come back to who asks
/// it. Meanwhile no thread's panic is reported: for moments only, as a device is opened.
///
/// # Errors
/// As [`caught`].
pub fn caught_everywhere<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    CAUGHT_EVERYWHERE.fetch_add(1, Ordering::Relaxed);
    let worked = caught(work);
    CAUGHT_EVERYWHERE.fetch_sub(1, Ordering::Relaxed);
    worked
}

/// What a panic said, if it is text.
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
