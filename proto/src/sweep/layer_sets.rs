//! Layer sets in one word: which sets of an ANN's candidate layers it stands for.

use super::{Catalogue, LayerSets, SweepFile};

/// The words, and how many layers each of their sets has.
const SHORTHANDS: [(&str, usize); 3] = [("single", 1), ("pairs", 2), ("triples", 3)];

/// The words alone.
pub(super) fn shorthands() -> Vec<&'static str> {
    SHORTHANDS.map(|(word, _)| word).to_vec()
}

impl SweepFile {
    /// Puts layer sets in the place of the words for them: every set of one, two or three of the ANN's
    /// candidate layers. A word that is none, or is of an ANN without candidates, stays for
    /// [`SweepFile::check`] to refuse.
    pub fn expand(mut self, catalogue: &dyn Catalogue) -> Self {
        for ann in &mut self.ann {
            let LayerSets::Shorthand(word) = &ann.layer_sets else {
                continue;
            };
            let candidates = catalogue.candidates(&ann.name);
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
