//! AV1, decoded by re_rav1d, a port of the dav1d that Pillow has, to numbers of Y, U and V.

use std::thread;

use re_rav1d::{Decoder, Error, PixelLayout, PlanarImageComponent, Settings};

use nrp_proto::panics::said;

use super::container::{Coded, Layer, Meaning};
use super::stream;
use crate::recording::images::picture::Undecodable;

/// How many pixels share a number of U and V, across and down, as shifts; `None` for grey.
pub(super) type Sampling = Option<[u32; 2]>;

/// The numbers of a picture.
#[derive(Debug)]
pub(super) struct Frame {
    /// Width and height in pixels.
    pub(super) size: [usize; 2],
    /// Bits of each number: 8, 10 or 12.
    pub(super) depth: u32,
    pub(super) sampling: Sampling,
    /// What the stream says of the numbers.
    pub(super) meaning: Meaning,
    /// Y, and U and V unless it is grey.
    pub(super) planes: Vec<Plane>,
}

/// Numbers of one kind, row by row.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) numbers: Vec<u16>,
}

impl Plane {
    pub(super) fn row(&self, row: usize) -> &[u16] {
        &self.numbers[row * self.width..][..self.width]
    }
}

/// Decodes a layer and puts its tiles together.
pub(super) fn decode(layer: Layer) -> Result<Frame, Undecodable> {
    let Layer {
        size,
        columns,
        tiles,
    } = layer;
    let size = size.map(|side| side as usize);
    let mut tiles = tiles.into_iter();
    let first = one(tiles.next().ok_or_else(no_frame)?)?;
    if tiles.len() == 0 {
        return Ok(first);
    }
    let shifts = first.sampling.unwrap_or([0; 2]);
    if (0..2).any(|side| first.size[side] % (1 << shifts[side]) != 0) {
        return Err(Undecodable::not_a_picture(
            "an AVIF whose tiles share colours",
        ));
    }
    let sides = |plane: usize| {
        let shifts = if plane == 0 { [0; 2] } else { shifts };
        [0, 1].map(|side| size[side].div_ceil(1 << shifts[side]))
    };
    let mut whole = Frame {
        size,
        depth: first.depth,
        sampling: first.sampling,
        meaning: first.meaning,
        planes: (0..first.planes.len())
            .map(|plane| {
                let [width, height] = sides(plane);
                Plane {
                    width,
                    numbers: vec![0; width * height],
                }
            })
            .collect(),
    };
    paste(&mut whole, &first, [0, 0]);
    for (number, tile) in (1..).zip(tiles) {
        let tile = one(tile)?;
        if tile.depth != first.depth
            || tile.sampling != first.sampling
            || tile.meaning != first.meaning
        {
            return Err(Undecodable::not_a_picture(
                "an AVIF whose tiles are of several kinds or sizes",
            ));
        }
        paste(&mut whole, &tile, [number % columns, number / columns]);
    }
    Ok(whole)
}

/// Copies a tile to its place, as far as it lies within the picture.
fn paste(whole: &mut Frame, tile: &Frame, [column, row]: [usize; 2]) {
    for (whole, tile) in whole.planes.iter_mut().zip(&tile.planes) {
        let height = tile.numbers.len() / tile.width;
        let left = column * tile.width;
        let width = tile.width.min(whole.width - left);
        for line in 0..height {
            let start = (row * height + line) * whole.width + left;
            if let Some(place) = whole.numbers.get_mut(start..start + width) {
                place.copy_from_slice(&tile.row(line)[..width]);
            }
        }
    }
}

/// Decodes one AV1 picture, on a thread of its own. A panic of re_rav1d cannot unwind through its C interface
/// and ends the process, so it must be reported, as it is on threads whose panics nobody catches.
fn one(coded: Coded) -> Result<Frame, Undecodable> {
    let decoded = thread::spawn(move || on_this_thread(coded)).join();
    decoded.unwrap_or_else(|panic| {
        let said = said(&*panic).unwrap_or("its decoder panicked");
        Err(Undecodable::not_a_picture(said))
    })
}

fn on_this_thread(coded: Coded) -> Result<Frame, Undecodable> {
    let meaning = stream::meaning(&coded.bytes)?;
    let [width, height] = coded.size;
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_frame_size_limit(width.saturating_mul(height));
    let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
    let mut sent = decoder.send_data(coded.bytes, None, None, None);
    let picture = loop {
        let more = match sent {
            Ok(()) => false,
            Err(Error::Again) => true,
            Err(error) => return Err(failed(error)),
        };
        match decoder.get_picture() {
            Ok(picture) => break picture,
            Err(Error::Again) if more => sent = decoder.send_pending_data(),
            Err(Error::Again) => return Err(no_frame()),
            Err(error) => return Err(failed(error)),
        }
    };
    if [picture.width(), picture.height()] != coded.size {
        return Err(Undecodable::NotAPicture(format!(
            "an AVIF of {width} × {height} pixels that is coded as {} × {}",
            picture.width(),
            picture.height()
        )));
    }
    let sampling = match picture.pixel_layout() {
        PixelLayout::I400 => None,
        PixelLayout::I420 => Some([1, 1]),
        PixelLayout::I422 => Some([1, 0]),
        PixelLayout::I444 => Some([0, 0]),
    };
    let depth = picture.bit_depth() as u32;
    let size = [width as usize, height as usize];
    let every = [
        PlanarImageComponent::Y,
        PlanarImageComponent::U,
        PlanarImageComponent::V,
    ];
    let planes = if sampling.is_none() { 1 } else { 3 };
    let planes = every[..planes].iter().enumerate().map(|(number, plane)| {
        let shifts = match sampling {
            Some(shifts) if number > 0 => shifts,
            Some(_) | None => [0; 2],
        };
        let [width, height] = [0, 1].map(|side| size[side].div_ceil(1 << shifts[side]));
        let stride = picture.stride(*plane) as usize;
        let bytes = picture.plane(*plane);
        numbers(&bytes, stride, [width, height], depth > 8)
    });
    Ok(Frame {
        size,
        depth,
        sampling,
        meaning,
        planes: planes.collect::<Option<_>>().ok_or_else(no_frame)?,
    })
}

/// The numbers of a plane whose rows begin `stride` bytes apart.
fn numbers(bytes: &[u8], stride: usize, [width, height]: [usize; 2], wide: bool) -> Option<Plane> {
    let mut numbers = Vec::with_capacity(width * height);
    for row in 0..height {
        let row = bytes.get(row * stride..)?;
        if wide {
            let row = row.as_chunks::<2>().0.get(..width)?;
            numbers.extend(row.iter().map(|pair| u16::from_ne_bytes(*pair)));
        } else {
            numbers.extend(row.get(..width)?.iter().map(|byte| u16::from(*byte)));
        }
    }
    Some(Plane { width, numbers })
}

fn failed(error: Error) -> Undecodable {
    let error = error.to_string().to_lowercase();
    Undecodable::NotAPicture(format!("an AVIF whose AV1 picture is damaged: {error}"))
}

fn no_frame() -> Undecodable {
    Undecodable::not_a_picture("an AVIF without a frame")
}
