//! Time: the regions of which every time bin is one of the sweep's.

use crate::model::{BinRegion, OverTime};
use nrp_proto::wire::RegionSites;

/// The regions of several time bins, of those that are `described` as bins of one.
pub(crate) fn regions(described: &[RegionSites]) -> Vec<OverTime> {
    let mut found: Vec<OverTime> = Vec::new();
    for of in described.iter().filter(|of| !of.bin_of.is_empty()) {
        let [start, end] = of.bin[..] else { continue };
        let bin = BinRegion {
            region: of.region.clone(),
            start,
            end,
        };
        let known = found
            .iter_mut()
            .find(|known| known.region == of.bin_of && known.unit == of.bin_unit);
        match known {
            Some(known) => known.bins.push(bin),
            None => found.push(OverTime {
                region: of.bin_of.clone(),
                unit: of.bin_unit.clone(),
                bins: vec![bin],
            }),
        }
    }
    found.retain(|region| region.bins.len() > 1);
    for region in &mut found {
        let middle = |bin: &BinRegion| bin.start + bin.end;
        region.bins.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_of_a_region_are_in_the_order_of_time_and_one_alone_is_no_course() {
        let of = |region: &str, bin_of: &str, bin: [f64; 2]| RegionSites {
            region: region.to_owned(),
            bin_of: bin_of.to_owned(),
            bin: bin.to_vec(),
            bin_unit: "ms".to_owned(),
            ..RegionSites::default()
        };
        let described = [
            of("V4 50-100 ms", "V4", [50.0, 100.0]),
            of("IT 0-50 ms", "IT", [0.0, 50.0]),
            of("V4 0-50 ms", "V4", [0.0, 50.0]),
            RegionSites {
                region: "V1".to_owned(),
                ..RegionSites::default()
            },
        ];
        let found = regions(&described);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].region, "V4");
        let bins: Vec<&str> = found[0].bins.iter().map(|of| of.region.as_str()).collect();
        assert_eq!(bins, ["V4 0-50 ms", "V4 50-100 ms"]);
    }
}
