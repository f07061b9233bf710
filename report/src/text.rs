//! Numbers and times as people read them in tables and figures.

use std::time::{Duration, UNIX_EPOCH};

/// Significant digits of a score.
const SCORE_DIGITS: i32 = 4;

/// A score to four significant digits, or a dash if there is none.
pub fn score(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), significant)
}

/// A number to four significant digits in any unit: responses may be volts as well as spikes. Plain from
/// 0.0001 to 999999, with a power of ten outside that range.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        // Without a minus before zero.
        return (value + 0.0).to_string();
    }
    let rounded = format!("{value:.*e}", SCORE_DIGITS as usize - 1);
    // The exponent after rounding: 0.99999 becomes 1.000.
    let exponent = rounded.rsplit('e').next().and_then(|of| of.parse().ok());
    match exponent {
        Some(exponent @ -4..=5) => {
            let decimals = (SCORE_DIGITS - 1 - exponent).max(0);
            format!("{value:.*}", decimals as usize)
        }
        Some(_) | None => rounded,
    }
}

/// A whole number, or a dash if there is none.
pub fn count<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

/// A number of the grid with all its digits, or a dash if there is none. From 0.01 to 999999 it is plain, with a
/// power of ten outside that range.
pub fn number(value: Option<f64>) -> String {
    let shown = |value: f64| {
        if value == 0.0 || (1e-2..1e6).contains(&value.abs()) {
            value.to_string()
        } else {
            format!("{value:e}")
        }
    };
    value.map_or_else(|| "–".to_owned(), shown)
}

/// A time in milliseconds since 1970, as `2026-11-30T08:00:00Z`.
pub fn time(at_ms: u64) -> String {
    // The format ends with the year 9999.
    const LAST_MS: u64 = 253_402_300_799_000;
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(LAST_MS));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// Values as a list, or a dash if there are none.
pub fn list(values: impl IntoIterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    if values.is_empty() {
        "–".to_owned()
    } else {
        values.join(", ")
    }
}

/// A text, or none if it is empty.
pub(crate) fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_grid_keep_their_digits_and_stay_short() {
        let shown = [
            0.0,
            0.01,
            1e-3,
            2.5e-5,
            1.0 / 3.0,
            16.0,
            123_456.0,
            1e6,
            -1e30,
        ];
        let shown = shown.map(|value| number(Some(value)));
        assert_eq!(
            shown,
            [
                "0",
                "0.01",
                "1e-3",
                "2.5e-5",
                "0.3333333333333333",
                "16",
                "123456",
                "1e6",
                "-1e30"
            ]
        );
    }

    #[test]
    fn small_units_are_shown_by_significant_digits() {
        let shown = [
            0.24359,
            0.99999,
            -0.081234,
            12.3456,
            1062.3,
            123_456.7,
            0.000_123_46,
            1.2345e-6,
            -3.0e-12,
            4.5678e12,
            0.0,
        ];
        let shown = shown.map(|value| score(Some(value)));
        assert_eq!(
            shown,
            [
                "0.2436",
                "1.000",
                "-0.08123",
                "12.35",
                "1062",
                "123457",
                "0.0001235",
                "1.234e-6",
                "-3.000e-12",
                "4.568e12",
                "0"
            ]
        );
        assert_eq!(score(None), "–");
    }
}
