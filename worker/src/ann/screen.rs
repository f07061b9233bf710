//! The screen: an image as an ANN sees it that looks at a given visual angle. Images of another angle are
//! cropped to it, or placed on grey, before they are resized.
//!
//! This is `place_on_screen` of Brain-Score (brainscore-vision 2.4.2, `benchmark_helpers/screen.py`), pixel by
//! pixel; but nothing is encoded again, where Brain-Score writes each image in its own format, JPEGs with a
//! new loss.

use std::fmt;

use image::{Rgb, RgbImage, imageops};
use miette::Diagnostic;
use thiserror::Error;

use nrp_proto::sweep::{DEGREES_OF, SCREEN};

use crate::recording::{MAX_SIDE_PIXELS, PictureFacts};

/// What surrounds an image that is smaller than the screen.
const GREY: Rgb<u8> = Rgb([128; 3]);

/// A screen, by the visual angles of its width and of the images'.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Screen {
    /// Degrees that the ANN sees.
    degrees: f64,
    /// Degrees of every image; none where the stimulus set says it of each.
    of: Option<f64>,
}

/// Why images cannot be placed on a screen.
#[derive(Debug, Error, Diagnostic)]
pub enum ScreenError {
    /// Nothing says how large the images were.
    #[error("the ANN sees {screen} degrees, and nothing says how many degrees the images have")]
    #[diagnostic(help(
        "say it of all images by `degrees` under `[recordings]`, or of each in a column `degrees` of the \
         stimulus set"
    ))]
    Unknown {
        /// Degrees of the screen.
        screen: f64,
    },
    /// A cell of the column is no angle.
    #[error("`{value}` in column `degrees` of the stimulus set is not a number of degrees above 0")]
    #[diagnostic(help(
        "correct the column; or rename it, and give `degrees` under `[recordings]` for all images"
    ))]
    NotDegrees {
        /// The cell.
        value: String,
    },
    /// The sweep file and the stimulus set disagree.
    #[error(
        "`[recordings] degrees` is {given}, and the stimulus set's column `degrees` has {found}"
    )]
    #[diagnostic(help("leave out `degrees` under `[recordings]`, or rename the column"))]
    Differ {
        /// What the sweep file says.
        given: f64,
        /// What the column says.
        found: f64,
    },
    /// The image would become too large or vanish.
    #[error(
        "an image of {}x{} pixels and {degrees} degrees is {}x{} pixels on a screen of {screen} degrees; \
         each side may have 1 to {MAX_SIDE_PIXELS}",
        size[0], size[1], placed[0], placed[1]
    )]
    #[diagnostic(help(
        "check both `degrees`: of `[recordings]` or the stimulus set, and of the `[[ann]]`"
    ))]
    Size {
        /// Width and height in pixels.
        size: [u32; 2],
        /// Degrees of the image.
        degrees: f64,
        /// Degrees of the screen.
        screen: f64,
        /// Width and height on the screen.
        placed: [u32; 2],
    },
}

impl Screen {
    /// The screen in an ANN's preprocessing: as the sweep file has it, or in the id made of that.
    pub fn of_preprocessing(preprocessing: &str) -> Option<Self> {
        let mut words = preprocessing
            .split(' ')
            .skip_while(|word| *word != SCREEN)
            .skip(1);
        let degrees = words.next()?.parse().ok()?;
        let of = match words.next() {
            Some(DEGREES_OF) => words.next().and_then(|word| word.parse().ok()),
            Some(_) | None => None,
        };
        Some(Self { degrees, of })
    }

    /// Degrees of an image whose stimulus has `label` in its column `degrees`.
    fn degrees_of(&self, label: Option<&str>) -> Result<f64, ScreenError> {
        let of_label = match label.map(str::trim) {
            None | Some("") => None,
            Some(label) => {
                let number = label.parse().ok();
                let usable = number.filter(|degrees: &f64| degrees.is_finite() && *degrees > 0.0);
                Some(usable.ok_or_else(|| ScreenError::NotDegrees {
                    value: label.to_owned(),
                })?)
            }
        };
        match (self.of, of_label) {
            (Some(given), Some(found)) if given != found => {
                Err(ScreenError::Differ { given, found })
            }
            (Some(degrees), _) | (None, Some(degrees)) => Ok(degrees),
            (None, None) => Err(ScreenError::Unknown {
                screen: self.degrees,
            }),
        }
    }

    /// Width and height of the screen on which an image of `size` (width, height) has its `degrees`.
    fn size(&self, size: [u32; 2], degrees: f64) -> Result<[u32; 2], ScreenError> {
        let ratio = self.degrees / degrees;
        // A float beyond the type becomes its largest number.
        let placed = size.map(|side| (ratio * f64::from(side)).round_ties_even() as u32);
        if placed
            .iter()
            .all(|side| (1..=MAX_SIDE_PIXELS).contains(side))
        {
            return Ok(placed);
        }
        Err(ScreenError::Size {
            size,
            degrees,
            screen: self.degrees,
            placed,
        })
    }

    /// `image` on the screen; `label` is its stimulus's column `degrees`, if it has one.
    ///
    /// # Errors
    /// When its degrees are unknown, or it would be too large.
    pub fn place(&self, image: RgbImage, label: Option<&str>) -> Result<RgbImage, ScreenError> {
        let degrees = self.degrees_of(label)?;
        let [width, height] = self.size([image.width(), image.height()], degrees)?;
        let middle = |of: u32, in_: u32| (f64::from(in_ - of) / 2.0).round_ties_even() as u32;
        if self.degrees > degrees {
            let mut screen = RgbImage::from_pixel(width, height, GREY);
            let [left, top] = [middle(image.width(), width), middle(image.height(), height)];
            imageops::replace(&mut screen, &image, left.into(), top.into());
            Ok(screen)
        } else {
            let [left, top] = [middle(width, image.width()), middle(height, image.height())];
            Ok(imageops::crop_imm(&image, left, top, width, height).to_image())
        }
    }

    /// The sizes that `pictures` have on the screen.
    ///
    /// # Errors
    /// As [`Screen::place`].
    pub(super) fn sizes(&self, pictures: &PictureFacts) -> Result<Vec<[u32; 2]>, ScreenError> {
        let shown = pictures.shown.iter();
        shown
            .map(|(size, label)| self.size(*size, self.degrees_of(label.as_deref())?))
            .collect()
    }

    /// What the user should know about `pictures` on the screen.
    ///
    /// # Errors
    /// As [`Screen::place`].
    pub fn notice(&self, ann: &str, pictures: &PictureFacts) -> Result<String, ScreenError> {
        let (mut cropped, mut placed) = (false, false);
        for (_, label) in &pictures.shown {
            let degrees = self.degrees_of(label.as_deref())?;
            cropped |= self.degrees < degrees;
            placed |= self.degrees > degrees;
        }
        let how = match (cropped, placed) {
            (true, true) => "larger images are cropped to it, smaller ones placed on grey",
            (true, false) => "images are cropped to it",
            (false, true) => "images are placed on grey",
            (false, false) => "images have that size",
        };
        Ok(format!("{ann} sees {} degrees: {how}", self.degrees))
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCREEN} {}", self.degrees)?;
        match self.of {
            None => Ok(()),
            Some(of) => write!(f, " {DEGREES_OF} {of}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn screen(degrees: f64, of: f64) -> Screen {
        Screen {
            degrees,
            of: Some(of),
        }
    }

    /// Pillow's crop and paste by `place_on_screen` of brainscore-vision 2.4.2. The image itself is in the
    /// middle of the largest screen.
    #[test]
    fn images_are_placed_as_brain_score_places_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/brain-score/screen");
        if !folder.is_dir() {
            #[expect(
                clippy::print_stderr,
                reason = "a test that did nothing must not pass in silence"
            )]
            {
                eprintln!("skipped: {} is not there", folder.display());
            }
            return;
        }
        let mut compared = 0;
        for name in ["orig_0.png", "orig_1.png", "orig_3.png"] {
            let picture = |place: &str| {
                let path = folder.join(place).join(name);
                let decoded = image::open(&path).expect("a picture");
                decoded.to_rgb8()
            };
            let large = picture("4_8");
            let [width, height] = [large.width() / 2, large.height() / 2];
            let [left, top] = [width, height].map(|side| (f64::from(side) / 2.0).round_ties_even());
            let image =
                imageops::crop_imm(&large, left as u32, top as u32, width, height).to_image();
            for (of, degrees) in [(4.0, 8.0), (8.0, 4.0), (5.0, 8.0), (18.0, 8.0), (8.4, 8.0)] {
                let placed = screen(degrees, of)
                    .place(image.clone(), None)
                    .expect("placed");
                assert!(
                    placed == picture(&format!("{of}_{degrees}")),
                    "{name} {of} {degrees}"
                );
                compared += 1;
            }
            let same = screen(8.0, 8.0).place(image.clone(), None).expect("placed");
            assert!(same == image);
        }
        assert_eq!(compared, 15);
    }

    #[test]
    fn halves_are_rounded_to_even_as_python_rounds_them() {
        let size = |degrees, of, size| screen(degrees, of).size(size, of).expect("a size");
        assert_eq!(size(8.0, 5.0, [48, 40]), [77, 64]);
        assert_eq!(size(8.0, 8.4, [48, 40]), [46, 38]);
        assert_eq!(size(4.0, 8.0, [5, 7]), [2, 4]);
    }

    #[test]
    fn a_screen_is_read_from_the_words_that_it_is_written_in() {
        for of in [None, Some(11.2)] {
            let screen = Screen { degrees: 8.5, of };
            for id in [
                format!("tf 224x224 bilinear v1 pixels v2 {screen}"),
                screen.to_string(),
            ] {
                assert_eq!(Screen::of_preprocessing(&id), Some(screen), "{id}");
            }
        }
        for id in ["", "torch", "tf 224x224 bilinear v1", "pillow-12"] {
            assert_eq!(Screen::of_preprocessing(id), None);
        }
    }

    #[test]
    fn degrees_that_are_missing_wrong_or_contradictory_are_refused() {
        let said = |screen: Screen, label: Option<&str>| {
            let image = RgbImage::new(40, 30);
            let refused = screen.place(image, label).expect_err("refused");
            refused.to_string()
        };
        let by_column = Screen {
            degrees: 8.0,
            of: None,
        };
        let answers = [
            said(by_column, None),
            said(by_column, Some(" ")),
            said(by_column, Some("wide")),
            said(by_column, Some("-3")),
            said(screen(8.0, 4.0), Some("5.0")),
            said(screen(8.0, 1e-9), None),
            said(screen(1e-9, 8.0), None),
        ];
        insta::assert_snapshot!(answers.join("\n"), @r"
        the ANN sees 8 degrees, and nothing says how many degrees the images have
        the ANN sees 8 degrees, and nothing says how many degrees the images have
        `wide` in column `degrees` of the stimulus set is not a number of degrees above 0
        `-3` in column `degrees` of the stimulus set is not a number of degrees above 0
        `[recordings] degrees` is 4, and the stimulus set's column `degrees` has 5
        an image of 40x30 pixels and 0.000000001 degrees is 4294967295x4294967295 pixels on a screen of 8 degrees; each side may have 1 to 8192
        an image of 40x30 pixels and 8 degrees is 0x0 pixels on a screen of 0.000000001 degrees; each side may have 1 to 8192
        ");
        let placed = by_column.place(RgbImage::new(40, 30), Some("4.0"));
        assert_eq!(placed.expect("placed").dimensions(), (80, 60));
    }
}
