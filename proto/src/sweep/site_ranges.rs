//! Ranges of sites: which sites of an array belong to a region, as sweep files spell it.

use thiserror::Error;

/// The sites of one region: `V4 = 513-768`, or `V4 = 1-64, 129-192`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteRanges {
    /// The region.
    pub region: String,
    /// First and last site of each range, both counted from 1.
    pub ranges: Vec<(usize, usize)>,
}

/// Text that is not a region and its sites.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("expected a region and its sites, counted from 1, such as \"V4 = 513-768\"")]
pub struct BadSiteRanges;

impl SiteRanges {
    /// Reads `text`.
    ///
    /// # Errors
    /// When the region is missing, or a range is not a site or two, the later one last.
    pub fn parse(text: &str) -> Result<Self, BadSiteRanges> {
        let (region, ranges) = text.split_once('=').ok_or(BadSiteRanges)?;
        let range = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let site = |site: &str| site.trim().parse::<usize>().ok();
            match (site(first), site(last)) {
                (Some(first @ 1..), Some(last)) if first <= last => Ok((first, last)),
                _ => Err(BadSiteRanges),
            }
        };
        let region = region.trim().to_owned();
        let ranges = ranges
            .split(',')
            .map(range)
            .collect::<Result<Vec<_>, _>>()?;
        if region.is_empty() {
            return Err(BadSiteRanges);
        }
        Ok(Self { region, ranges })
    }

    /// Whether `site`, counted from 1, is in one of the ranges.
    pub fn contains(&self, site: usize) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.any(|&(first, last)| (first..=last).contains(&site))
    }

    /// The last site of all ranges, counted from 1.
    pub fn last(&self) -> usize {
        self.ranges.iter().map(|&(_, last)| last).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_ranges_and_single_sites_counted_from_one() {
        let parsed = SiteRanges::parse("V4 = 1-64, 70,129-192").expect("ranges");
        assert_eq!(parsed.region, "V4");
        assert_eq!(parsed.ranges, [(1, 64), (70, 70), (129, 192)]);
        assert_eq!(parsed.last(), 192);
        for (site, inside) in [(0, false), (1, true), (64, true), (65, false), (70, true)] {
            assert_eq!(parsed.contains(site), inside, "{site}");
        }
        for wrong in [
            "",
            "V4",
            "V4 =",
            "= 1-2",
            "V4 = 0-2",
            "V4 = 3-2",
            "V4 = a",
            "V4 = 1-2-3",
            "V4 = 1,,2",
        ] {
            assert_eq!(SiteRanges::parse(wrong), Err(BadSiteRanges), "{wrong}");
        }
    }
}
