//! Near misses: the end of a hint, where a word is close to one that is known.

/// `; did you mean `near`?`, or nothing.
pub(crate) fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
