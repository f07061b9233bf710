//! The boxes of an ISO base media file, and the numbers in them. Nothing is copied, and everything that
//! is read is there: a box that ends beyond its parent is an error.

use crate::recording::images::picture::Undecodable;

/// Most boxes that are looked at in one file, of any kind. A grid of the most tiles needs a few thousand.
const MAX_BOXES: usize = 20_000;

/// A box: its name and its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Box<'f> {
    pub(super) name: [u8; 4],
    pub(super) content: &'f [u8],
}

impl<'f> Box<'f> {
    /// A reader of the content.
    pub(super) fn reader(&self) -> Reader<'f> {
        Reader(self.content)
    }

    /// The content's version, its flags, and a reader of what follows.
    pub(super) fn full(&self) -> Result<(u8, u32, Reader<'f>), Undecodable> {
        let mut reader = self.reader();
        let word = reader.u32()?;
        Ok(((word >> 24) as u8, word & 0xff_ffff, reader))
    }
}

/// What is left to be read of some bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'f>(pub(super) &'f [u8]);

impl<'f> Reader<'f> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'f [u8], Undecodable> {
        let (read, rest) = self.0.split_at_checked(count).ok_or_else(cut)?;
        self.0 = rest;
        Ok(read)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (read, rest) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*read)
    }

    pub(super) fn name(&mut self) -> Result<[u8; 4], Undecodable> {
        self.array()
    }

    pub(super) fn u8(&mut self) -> Result<u8, Undecodable> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Undecodable> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Undecodable> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Undecodable> {
        self.array().map(u64::from_be_bytes)
    }

    /// A number of 16 bits, or of 32 where it is `long`.
    pub(super) fn id(&mut self, long: bool) -> Result<u32, Undecodable> {
        if long {
            self.u32()
        } else {
            self.u16().map(u32::from)
        }
    }

    /// A number of so many bytes: none (0), four or eight.
    pub(super) fn sized(&mut self, bytes: u8) -> Result<u64, Undecodable> {
        match bytes {
            0 => Ok(0),
            4 => self.u32().map(u64::from),
            8 => self.u64(),
            _ => Err(Undecodable::NotAPicture(format!(
                "an AVIF whose numbers take {bytes} bytes"
            ))),
        }
    }

    /// The boxes that fill the rest.
    pub(super) fn boxes(self) -> Result<Vec<Box<'f>>, Undecodable> {
        let mut reader = self;
        let mut boxes = Vec::new();
        while !reader.0.is_empty() {
            let length = reader.header()?;
            let (name, length) = length;
            let content = match length {
                None => std::mem::take(&mut reader.0),
                Some(length) => reader.bytes(length)?,
            };
            boxes.push(Box { name, content });
            if boxes.len() > MAX_BOXES {
                return Err(too_many(MAX_BOXES, "boxes"));
            }
        }
        Ok(boxes)
    }

    /// The outermost boxes, as far as they are there: the last may be cut, as pixels are where only a
    /// file's beginning is read.
    pub(super) fn outermost(self) -> Result<Vec<Box<'f>>, Undecodable> {
        let mut reader = self;
        let mut boxes = Vec::new();
        while let Ok((name, length)) = reader.header() {
            let whole = length.and_then(|length| reader.bytes(length).ok());
            let Some(content) = whole else {
                // The last box, which ends with the file or beyond.
                if length.is_none() {
                    boxes.push(Box {
                        name,
                        content: reader.0,
                    });
                }
                break;
            };
            boxes.push(Box { name, content });
            if boxes.len() > MAX_BOXES {
                return Err(too_many(MAX_BOXES, "boxes"));
            }
        }
        Ok(boxes)
    }

    /// Name of the box that follows, and the length of its content if it does not fill the rest.
    fn header(&mut self) -> Result<([u8; 4], Option<usize>), Undecodable> {
        let short = self.u32()?;
        let name = self.name()?;
        let (length, header) = match short {
            0 => return Ok((name, None)),
            1 => (self.u64()?, 16),
            length => (u64::from(length), 8),
        };
        let length = length.checked_sub(header).ok_or_else(cut)?;
        Ok((name, Some(usize::try_from(length).map_err(|_| cut())?)))
    }
}

/// The error that a file is cut or that its lengths contradict each other.
pub(super) fn cut() -> Undecodable {
    Undecodable::not_a_picture("an AVIF that is cut or whose boxes contradict each other")
}

pub(super) fn too_many(limit: usize, what: &str) -> Undecodable {
    Undecodable::TooLarge(format!("an AVIF of more than {limit} {what}"))
}
