//! Damage of a JPEG. libjpeg repairs what does not decode, each version in its own way, and numbers that no picture
//! has are cut off by its code for vectors, where its plain code wraps them around. Pixels of a damaged file are
//! one program's guess.
//!
//! Reads coefficients and makes no pixels of them.

#![allow(unsafe_code)] // libjpeg is C: it takes and returns pointers

use std::ffi::{c_int, c_ulong};
use std::panic::resume_unwind;

use mozjpeg_sys::{
    JBLOCK, jpeg_common_struct, jpeg_create_decompress, jpeg_decompress_struct,
    jpeg_destroy_decompress, jpeg_error_mgr, jpeg_mem_src, jpeg_read_coefficients,
    jpeg_read_header, jpeg_std_error,
};

/// libjpeg's state as it reads what stands before the first scan.
const IN_HEADER: c_int = 201;
/// How far from grey a sample may be: plain code wraps around at 512.
const MOST: f32 = 511.0;

/// Refuses a damaged JPEG, in words that follow "a JPEG that".
///
/// # Panics
/// With a `String` where libjpeg gives up or repairs.
pub(super) fn check(jpeg: &[u8]) -> Result<(), String> {
    let mut reader = Reader::new();
    let reader = &mut *reader;
    let info = &mut reader.info;
    // SAFETY: `info` was created, and `jpeg` outlives it. libjpeg's errors unwind, as its build allows.
    let arrays = unsafe {
        jpeg_mem_src(info, jpeg.as_ptr(), jpeg.len() as c_ulong);
        jpeg_read_header(info, 1);
        jpeg_read_coefficients(info)
    };
    let cosines = cosines();
    for component in 0..info.num_components as usize {
        // SAFETY: libjpeg has so many components, and an array of coefficients for each.
        let (of, array) = unsafe { (&*info.comp_info.add(component), *arrays.add(component)) };
        // SAFETY: null, or what the first scan of the component has set.
        let table = unsafe { of.quant_table.as_ref() };
        let Some(table) = table else {
            return Err("lacks one of its colours".to_owned());
        };
        for row in 0..of.height_in_blocks {
            // SAFETY: the array has so many rows of so many blocks, and no other borrow of the row lives.
            let blocks: &[JBLOCK] = unsafe {
                let access = (*info.common.mem).access_virt_barray;
                let access = access.expect("libjpeg sets it");
                let rows = access(&mut info.common, array, row, 1, 0);
                std::slice::from_raw_parts(*rows, of.width_in_blocks as usize)
            };
            if !blocks
                .iter()
                .all(|block| is_a_pictures(block, &table.quantval, &cosines))
            {
                return Err("is damaged: it has brightnesses that no picture has".to_owned());
            }
        }
    }
    Ok(())
}

/// The cosine of each frequency at each place, with the factors of the inverse transform.
type Cosines = [[f32; 8]; 8];

fn cosines() -> Cosines {
    let cosine = |frequency: usize, place: usize| {
        let angle = (2 * place + 1) as f32 * frequency as f32 * std::f32::consts::PI / 16.0;
        let factor = if frequency == 0 { 0.5_f32.sqrt() } else { 1.0 };
        factor * angle.cos() / 2.0
    };
    std::array::from_fn(|frequency| std::array::from_fn(|place| cosine(frequency, place)))
}

/// Whether the samples of a block stay where every libjpeg makes the same of them.
fn is_a_pictures(block: &JBLOCK, table: &[u16; 64], cosines: &Cosines) -> bool {
    let values = block.iter().zip(table);
    let values: Vec<f32> = values
        .map(|(&of, &step)| f32::from(of) * f32::from(step))
        .collect();
    // No cosine is more than a half, nor the product of two more than a quarter.
    if values.iter().map(|of| of.abs()).sum::<f32>() <= 4.0 * MOST {
        return true;
    }
    let across: Cosines = std::array::from_fn(|row| {
        std::array::from_fn(|place| {
            let of_row = &values[8 * row..8 * row + 8];
            let terms = of_row
                .iter()
                .zip(cosines)
                .map(|(of, cosine)| of * cosine[place]);
            terms.sum()
        })
    });
    let sample = |x: usize, y: usize| {
        let terms = across
            .iter()
            .zip(cosines)
            .map(|(of, cosine)| of[x] * cosine[y]);
        terms.sum::<f32>()
    };
    (0..64).all(|at| sample(at % 8, at / 8).abs() < MOST)
}

/// libjpeg's state, which points into itself and so never moves.
struct Reader {
    info: jpeg_decompress_struct,
    errors: jpeg_error_mgr,
}

impl Reader {
    fn new() -> Box<Self> {
        // SAFETY: both are numbers, pointers and optional functions, for which zeros are valid; libjpeg then
        // fills them.
        let mut reader: Box<Self> = unsafe { Box::new(std::mem::zeroed()) };
        // SAFETY: both stay where they are as long as the box lives.
        unsafe {
            jpeg_std_error(&mut reader.errors);
            reader.errors.error_exit = Some(give_up);
            reader.errors.emit_message = Some(repair);
            reader.info.common.err = &raw mut reader.errors;
            jpeg_create_decompress(&raw mut reader.info);
        }
        reader
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: it was created, also where reading unwound.
        unsafe { jpeg_destroy_decompress(&mut self.info) };
    }
}

/// libjpeg found something that it cannot read.
extern "C-unwind" fn give_up(info: &mut jpeg_common_struct) {
    // SAFETY: `Reader::new` set it, and the reader lives.
    let code = unsafe { (*info.err).msg_code };
    resume_unwind(Box::new(format!(
        "is damaged: its data do not decode (libjpeg's message {code})"
    )));
}

/// libjpeg warns of what it repairs (a negative level), or says what it does. What precedes the picture, such as
/// an unknown version of JFIF, changes no pixel.
extern "C-unwind" fn repair(info: &mut jpeg_common_struct, level: c_int) {
    if level < 0 && info.global_state > IN_HEADER {
        give_up(info);
    }
}
