//! What is looked at in a GIF before the `image` crate decodes its first picture.

use super::picture::{Undecodable, bytes_at};

/// How files begin, before the version.
pub(super) const SIGNATURE: &[u8] = b"GIF8";
/// Where the screen's size is, and its flags behind it.
const SCREEN: usize = 6;
const SCREEN_FLAGS: usize = 10;
const SCREEN_END: usize = 13;
/// Flag of a table of colours, and the bits that say how long it is.
const TABLE: u8 = 0x80;
const TABLE_BITS: u8 = 7;

/// Refuses a GIF whose first picture is not as large as its screen: Pillow paints what is left with one
/// of the colours, or enlarges the screen, and other programs do not.
pub(super) fn check(gif: &[u8]) -> Result<(), Undecodable> {
    let first = first_picture(gif);
    let Some((screen, [left, top, width, height])) = first else {
        return Err(Undecodable::not_a_picture("a GIF without a picture"));
    };
    if [left, top, width, height] == [0, 0, screen[0], screen[1]] {
        return Ok(());
    }
    Err(Undecodable::NotAPicture(format!(
        "a GIF whose first picture, of {width} × {height} pixels at {left}, {top}, is not as large as \
         its screen of {} × {}",
        screen[0], screen[1]
    )))
}

/// Width and height of the screen; left, top, width and height of the first picture.
fn first_picture(gif: &[u8]) -> Option<([u16; 2], [u16; 4])> {
    let number = |at: usize| bytes_at(gif, at).map(u16::from_le_bytes);
    let screen = [number(SCREEN)?, number(SCREEN + 2)?];
    let flags = gif.get(SCREEN_FLAGS)?;
    let mut at = SCREEN_END;
    if flags & TABLE != 0 {
        at += 3 << ((flags & TABLE_BITS) + 1);
    }
    // Extensions: a mark, a kind, and blocks that begin with their lengths, up to an empty one.
    while *gif.get(at)? == b'!' {
        at += 2;
        loop {
            let length = usize::from(*gif.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
    if *gif.get(at)? != b',' {
        return None;
    }
    let picture = [1, 3, 5, 7].map(|field| number(at + field));
    let [left, top, width, height] = picture;
    Some((screen, [left?, top?, width?, height?]))
}
