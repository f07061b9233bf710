//! Near misses: the word a user probably meant. Pure; knows no vocabulary of its own.

/// How alike two words must be (Jaro–Winkler, 0 to 1) before one is offered for the other.
const ALIKE: f64 = 0.8;

/// The candidate most like `word`, if any is alike enough to be offered.
pub fn near_miss<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// How an error offers a near miss, behind what was found: "; did you mean `l1`?". Empty without one.
pub fn did_you_mean(near_miss: Option<&str>) -> String {
    near_miss.map_or_else(String::new, |word| format!("; did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, near_miss};

    #[test]
    fn offers_the_likeliest_word_or_none() {
        let layers = ["conv_pw_1_relu", "conv_pw_13_relu", "conv_dw_13_relu"];
        assert_eq!(
            near_miss("conv_pw_13_rleu", layers),
            Some("conv_pw_13_relu")
        );
        assert_eq!(near_miss("zebra", layers), None);
        assert_eq!(did_you_mean(Some("l1")), "; did you mean `l1`?");
        assert_eq!(did_you_mean(None), "");
    }
}
