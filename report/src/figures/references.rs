//! References: what an NRP-error is compared with: the mean predictor's error, and the noise floor if it
//! is known.

use crate::draw::canvas::{FAINT, INK};
use crate::draw::plot::{Along, Reference};
use crate::model::{RegionResult, Winner};
use crate::text;

/// Reference lines across a plot; `suffix` ends their names.
pub(crate) fn lines(winner: &Winner, along: Along, suffix: &str) -> Vec<Reference> {
    let scores = &winner.row.scores;
    let reference = |name: &str, value: Option<f64>, colour, dash| {
        value.map(|value| Reference {
            name: format!("{name}{suffix} ({})", text::significant(value)),
            along,
            value,
            colour,
            dash,
        })
    };
    let mean = reference("mean predictor", scores.mean_predictor_error, INK, 10);
    let floor = reference("noise floor", scores.noise_floor, FAINT, 3);
    mean.into_iter().chain(floor).collect()
}

/// The references of a region in words.
pub(crate) fn words(region: &RegionResult) -> Option<String> {
    let scores = &region.best.as_ref()?.row.scores;
    let mean = scores.mean_predictor_error?;
    let floor = match scores.noise_floor {
        Some(floor) => format!("noise floor {}", text::significant(floor)),
        None => "noise floor unknown".to_owned(),
    };
    Some(format!(
        "{}: mean predictor {}, {floor}",
        region.region,
        text::significant(mean)
    ))
}
