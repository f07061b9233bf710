//! Words for layer sets, and the sets of an ANN's candidate layers that each stands for.

use super::{Catalogue, LayerSets, SweepFile};

/// The words, and how many layers each of their sets has.
const SHORTHANDS: [(&str, usize); 3] = [("single", 1), ("pairs", 2), ("triples", 3)];

/// The word for the layer that is taken for each region.
pub(super) const REGION_MAP: &str = "region-map";

/// What stands before the name of a file that says it.
pub(super) const REGION_MAP_FILE: &str = "region-map:";

/// The words alone.
pub(super) fn shorthands() -> Vec<&'static str> {
    let sets = SHORTHANDS.iter().map(|(word, _)| *word);
    sets.chain([REGION_MAP]).collect()
}

impl LayerSets {
    /// Tells a word that names a file from the other words.
    pub(super) fn name_file(&mut self) {
        if let Self::Shorthand(word) = self
            && let Some(file) = word.strip_prefix(REGION_MAP_FILE)
        {
            *self = Self::RegionMap(file.trim().to_owned());
        }
    }
}

impl SweepFile {
    /// Replaces words by layer sets: every set of one, two or three of the ANN's candidate layers, or
    /// one layer for each region. Where none are given, an ANN's only layer is meant. [`SweepFile::check`]
    /// refuses unknown words, and words for an ANN without such layers.
    pub fn expand(mut self, catalogue: &dyn Catalogue) -> Self {
        for ann in &mut self.ann {
            let word = match &ann.layer_sets {
                LayerSets::Shorthand(word) => word,
                LayerSets::LeftOut => {
                    if let [only] = catalogue.candidates(ann)[..] {
                        ann.layer_sets = LayerSets::Listed(vec![vec![only.to_owned()]]);
                    }
                    continue;
                }
                LayerSets::RegionMap(file) => {
                    let known = catalogue.region_map(ann, file);
                    let layers_of = |region: &String| known.iter().find(|(of, _)| of == region);
                    let layers = self.recordings.regions.iter().map(layers_of);
                    if let Some(layers) = layers.map(Option::<&_>::cloned).collect() {
                        ann.layer_sets = LayerSets::ByRegion(layers);
                    }
                    continue;
                }
                LayerSets::Listed(_) | LayerSets::ByRegion(_) => continue,
            };
            if word == REGION_MAP {
                let known = catalogue.region_layers(&ann.name);
                let layer_of = |region: &String| {
                    let (_, layer) = known.iter().find(|(of, _)| of == region)?;
                    Some((region.clone(), vec![(*layer).to_owned()]))
                };
                let layers: Option<_> = self.recordings.regions.iter().map(layer_of).collect();
                if let Some(layers) = layers {
                    ann.layer_sets = LayerSets::ByRegion(layers);
                }
                continue;
            }
            let candidates = catalogue.candidates(ann);
            let known = SHORTHANDS.iter().find(|(known, _)| known == word);
            if let Some((_, layers)) = known
                && candidates.len() >= *layers
            {
                ann.layer_sets = LayerSets::Listed(sets(&candidates, *layers));
            }
        }
        self
    }
}

/// Every set of so many candidates, each in their order.
fn sets(candidates: &[&str], layers: usize) -> Vec<Vec<String>> {
    let Some(rest) = layers.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let firsts = candidates.iter().enumerate();
    let begun = firsts.flat_map(|(place, first)| {
        let others = sets(&candidates[place + 1..], rest).into_iter();
        others.map(|others| [vec![(*first).to_owned()], others].concat())
    });
    begun.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_all_there_are_in_the_candidates_order() {
        let joined = |layers| {
            let sets = sets(&["a", "b", "c", "d"], layers).into_iter();
            sets.map(|set| set.concat()).collect::<Vec<_>>()
        };
        assert_eq!(joined(1), ["a", "b", "c", "d"]);
        assert_eq!(joined(2), ["ab", "ac", "ad", "bc", "bd", "cd"]);
        assert_eq!(joined(3), ["abc", "abd", "acd", "bcd"]);
        assert!(joined(5).is_empty());
    }
}
