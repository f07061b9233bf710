//! The sites of arrays: their names, their regions, and which are used.

use nrp_proto::sweep::SiteRanges;

use super::container::times;
use super::{Block, REGIONS, Words};

/// What errors call the ranges.
const KEY: &str = "`sites` under `[recordings]`";

/// A site.
#[derive(Debug, PartialEq)]
pub(super) struct Site {
    /// Its place among the sites of all arrays.
    pub(super) at: usize,
    /// Its name.
    pub(super) name: String,
    /// Its region.
    pub(super) region: String,
}

/// The sites of `blocks`, whose names and regions `words` and `ranges` may say. Sites outside all ranges are
/// left out, where there are ranges.
pub(super) fn of(
    blocks: &[Block],
    words: Vec<Words>,
    ranges: &[String],
) -> Result<Vec<Site>, String> {
    let named_regions = words.iter().any(|words| words.name == REGIONS);
    let (names, regions) = site_names(blocks, words)?;
    let sites = names.into_iter().zip(regions).enumerate();
    let sites = sites.map(|(at, (name, region))| Site { at, name, region });
    let sites: Vec<Site> = sites.collect();
    if ranges.is_empty() {
        return Ok(sites);
    }
    if named_regions {
        return Err(format!(
            "{KEY} beside an array `{REGIONS}`; leave one of them out"
        ));
    }
    if blocks.len() > 1 {
        let arrays = blocks.len();
        return Err(format!("{KEY} for {arrays} arrays; it is for a single one"));
    }
    let ranges = ranges.iter().map(|text| {
        SiteRanges::parse(text).map_err(|error| format!("{KEY} has {text:?}: {error}"))
    });
    let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
    if let Some(beyond) = ranges.iter().find(|ranges| ranges.last() > sites.len()) {
        let (last, region, all) = (beyond.last(), &beyond.region, sites.len());
        return Err(format!("{KEY} gives {region} site {last}; there are {all}"));
    }
    let mut used = Vec::new();
    for site in sites {
        let mut of = ranges.iter().filter(|ranges| ranges.contains(site.at + 1));
        match (of.next(), of.next()) {
            (None, _) => {}
            (Some(one), None) => used.push(Site {
                region: one.region.clone(),
                ..site
            }),
            (Some(one), Some(other)) => {
                let (number, one, other) = (site.at + 1, &one.region, &other.region);
                return Err(format!("{KEY} puts site {number} into {one} and {other}"));
            }
        }
    }
    Ok(used)
}

/// The names of all sites, and their regions.
fn site_names(blocks: &[Block], words: Vec<Words>) -> Result<(Vec<String>, Vec<String>), String> {
    let by_position = |block: &Block| {
        let name = block.name.clone();
        (0..block.sites).map(move |site| format!("{name}.{site}"))
    };
    let mut sites: Vec<String> = blocks.iter().flat_map(by_position).collect();
    let region = |block: &Block| std::iter::repeat_n(block.name.clone(), block.sites);
    let mut regions: Vec<String> = blocks.iter().flat_map(region).collect();
    for Words {
        name,
        shape,
        entries,
    } in words
    {
        let names = match name.as_str() {
            REGIONS => &mut regions,
            _ => &mut sites, // `tables` refuses all other names
        };
        if blocks.len() > 1 {
            return Err(format!(
                "`{name}` beside {} arrays; it names the sites of a single one",
                blocks.len()
            ));
        }
        if shape != [names.len()] {
            let (found, wanted) = (times(&shape), names.len());
            return Err(format!(
                "`{name}` has {found} entries, but there are {wanted} sites"
            ));
        }
        *names = entries;
    }
    Ok((sites, regions))
}
