//! Packing: how the numbers of a netCDF variable are stored, which of them stand for nothing, and how to
//! undo it. As xarray 2026.9 does, which ignores `valid_min`, `valid_max` and `valid_range`.

use crate::recording::words::counted;

/// What netCDF writes where nothing was written, of floating-point variables without a `_FillValue`.
const NEVER_WRITTEN: [f64; 2] = [9.969_209_968_386_869e36, 9.969_21e36_f32 as f64];

/// The attributes of a variable that say how its numbers are stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Packing {
    /// The values that stand for a missing number, as stored.
    missing: Vec<f64>,
    /// Factor and summand.
    scale: Option<(f64, f64)>,
    /// Integers whose sign is not that of their type.
    sign: Option<Sign>,
    /// The lowest and the highest valid value, as stored.
    valid: Option<(f64, f64)>,
    /// Whether what netCDF writes where nothing was written stands for a missing number.
    has_default: bool,
}

/// How many numbers were odd.
#[derive(Debug, Default)]
pub(super) struct Odd {
    /// Outside the valid range.
    outside: usize,
    /// Never written.
    unwritten: usize,
}

/// How integers of the other signedness are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sign {
    /// Numbers below zero are this much higher.
    Unsigned(f64),
    /// Numbers from half of this on are this much lower.
    Signed(f64),
}

/// The type of a variable's numbers, as far as packing depends on it.
pub(super) struct Stored<'a> {
    /// Of integers, whether they have a sign, and how many there are.
    pub(super) integers: Option<(bool, f64)>,
    /// What a number is once it is stored in the type.
    pub(super) rounded: &'a dyn Fn(f64) -> f64,
}

impl Packing {
    /// Whether numbers are another precision once they are unpacked.
    pub(super) fn is_scaled(&self) -> bool {
        self.scale.is_some()
    }

    /// The packing that attributes tell, which are `numbers` and `text` by name.
    pub(super) fn of(
        stored: &Stored<'_>,
        numbers: impl Fn(&str) -> Option<Vec<f64>>,
        text: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let is_unsigned = text("_Unsigned").map(|word| word.to_ascii_lowercase());
        let sign = match (stored.integers, is_unsigned.as_deref()) {
            (Some((true, all)), Some("true")) => Some(Sign::Unsigned(all)),
            (Some((false, all)), Some("false")) => Some(Sign::Signed(all)),
            _ => None,
        };
        let as_stored = |value: f64| signed(sign, (stored.rounded)(value));
        let first = |name| numbers(name)?.first().copied();
        let all = |name| numbers(name).unwrap_or_default();
        let missing = all("_FillValue").into_iter().chain(all("missing_value"));
        let range = match numbers("valid_range").as_deref() {
            Some(&[low, high]) => (Some(low), Some(high)),
            _ => (first("valid_min"), first("valid_max")),
        };
        let valid = match range {
            (None, None) => None,
            (low, high) => Some((
                low.map_or(f64::NEG_INFINITY, as_stored),
                high.map_or(f64::INFINITY, as_stored),
            )),
        };
        let scale = match (first("scale_factor"), first("add_offset")) {
            (None, None) => None,
            (factor, summand) => Some((factor.unwrap_or(1.0), summand.unwrap_or(0.0))),
        };
        let missing: Vec<f64> = missing.map(as_stored).collect();
        let is_float = stored.integers.is_none();
        Self {
            has_default: is_float && missing.iter().all(|value| value.is_nan()),
            missing,
            scale,
            sign,
            valid,
        }
    }

    /// The number that is stored as `value`, NaN where one is missing. Counts what else there is to know.
    pub(super) fn unpack(&self, value: f64, odd: &mut Odd) -> f64 {
        let stored = signed(self.sign, value);
        let is_unwritten = self.has_default && NEVER_WRITTEN.contains(&stored);
        odd.unwritten += usize::from(is_unwritten);
        if is_unwritten || self.missing.contains(&stored) {
            return f64::NAN;
        }
        let is_valid = |(low, high): (f64, f64)| !(stored < low || stored > high);
        odd.outside += usize::from(!self.valid.is_none_or(is_valid));
        match self.scale {
            None => stored,
            Some((factor, summand)) => stored * factor + summand,
        }
    }
}

impl Odd {
    /// What was odd about the numbers of `variable`, in words.
    pub(super) fn notices(&self, variable: &str) -> Vec<String> {
        let mut notices = Vec::new();
        if self.outside > 0 {
            let all = counted(self.outside, "value");
            notices.push(format!(
                "{all} of `{variable}` outside its valid range: read as they are, as xarray does"
            ));
        }
        if self.unwritten > 0 {
            let all = counted(self.unwritten, "value");
            notices.push(format!(
                "{all} of `{variable}` never written (netCDF's default fill value): read as missing"
            ));
        }
        notices
    }
}

fn signed(sign: Option<Sign>, value: f64) -> f64 {
    match sign {
        Some(Sign::Unsigned(all)) if value < 0.0 => value + all,
        Some(Sign::Signed(all)) if value >= all / 2.0 => value - all,
        Some(Sign::Unsigned(_) | Sign::Signed(_)) | None => value,
    }
}
