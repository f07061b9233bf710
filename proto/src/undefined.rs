//! Lists with undefined values: NaN in memory and on the wire, `null` in JSON, which has no NaN.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(values: &[f32], to: S) -> Result<S::Ok, S::Error> {
    let values: Vec<Option<f32>> = values.iter().map(|v| v.is_finite().then_some(*v)).collect();
    values.serialize(to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
    let values = Vec::<Option<f32>>::deserialize(from)?;
    Ok(values.into_iter().map(|v| v.unwrap_or(f32::NAN)).collect())
}

#[cfg(test)]
mod tests {
    use crate::wire::Details;

    #[test]
    fn what_is_undefined_is_null_and_back() {
        let details = Details {
            site_error: vec![0.25, f32::NAN],
            ..Details::default()
        };
        let json = serde_json::to_string(&details).expect("plain data");
        assert!(json.contains("\"site_error\":[0.25,null]"), "{json}");
        let read: Details = serde_json::from_str(&json).expect("reads");
        assert!(read.site_error[0] == 0.25 && read.site_error[1].is_nan());
    }
}
