//! Duplicates: pictures shown under several ids, found by their pixels. A network trained on one of
//! the ids has seen the picture of the others.
//!
//! Only finds them; the split decides what to do with them.

use std::collections::HashMap;

use image::RgbImage;

use super::limits::MAX_NAMED;
use super::stimuli::Stimulus;

/// The pixels of a decoded picture at its full size; equal for equal pictures.
pub(super) type Pixels = blake3::Hash;

/// Hashes a picture.
pub(super) fn pixels(picture: &RgbImage) -> Pixels {
    let mut hasher = blake3::Hasher::new_derive_key("nrp picture 2026");
    hasher.update(&picture.width().to_le_bytes());
    hasher.update(&picture.height().to_le_bytes());
    hasher.update(picture.as_raw());
    hasher.finalize()
}

/// The pictures that several stimuli show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// The stimuli that show each, two or more, as indices in ascending order; the pictures in the
    /// order of their first stimuli.
    pub groups: Vec<Vec<usize>>,
}

impl Duplicates {
    /// Finds the duplicates among the pictures of stimuli `0..pictures.len()`.
    pub(super) fn among(pictures: &[Pixels]) -> Self {
        let mut places: HashMap<&Pixels, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (stimulus, picture) in pictures.iter().enumerate() {
            let place = *places.entry(picture).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(stimulus),
                None => groups.push(vec![stimulus]),
            }
        }
        groups.retain(|group| group.len() > 1);
        Self { groups }
    }

    /// How many stimuli show a picture that another stimulus shows too.
    pub fn stimuli(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// Each picture with its ids, `a = b`; only the first of many ids.
    pub fn named(&self, stimuli: &[Stimulus]) -> Vec<String> {
        let ids = |stimulus: &usize| stimuli[*stimulus].id.as_str();
        self.groups
            .iter()
            .map(|group| {
                let named: Vec<&str> = group.iter().take(MAX_NAMED).map(ids).collect();
                match group.len() - named.len() {
                    0 => named.join(" = "),
                    more => format!("{} and {more} more", named.join(" = ")),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, level: u8) -> RgbImage {
        RgbImage::from_pixel(width, height, image::Rgb([level, 2, 3]))
    }

    #[test]
    fn pictures_are_the_same_by_pixels_and_size() {
        let pictures = [
            (2, 3, 1),
            (2, 3, 2),
            (3, 2, 1),
            (2, 3, 1),
            (2, 3, 2),
            (2, 3, 1),
        ];
        let pictures = pictures.map(|(w, h, level)| pixels(&picture(w, h, level)));
        let found = Duplicates::among(&pictures);
        assert_eq!(found.groups, [vec![0, 3, 5], vec![1, 4]]);
        assert_eq!(found.stimuli(), 5);
        assert_eq!(Duplicates::among(&pictures[..3]), Duplicates::default());
    }

    #[test]
    fn many_ids_of_one_picture_are_counted() {
        let stimulus = |number: usize| Stimulus {
            id: format!("s{number}"),
            labels: std::collections::BTreeMap::new(),
        };
        let stimuli: Vec<Stimulus> = (0..9).map(stimulus).collect();
        let found = Duplicates {
            groups: vec![vec![0, 2], (3..9).collect()],
        };
        assert_eq!(
            found.named(&stimuli),
            ["s0 = s2", "s3 = s4 = s5 = s6 = s7 and 1 more"]
        );
    }
}
