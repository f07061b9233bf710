//! The items of a still picture (the `meta` box of HEIF): which is the picture, where its bytes lie, its
//! properties, its tiles and its alpha.

use std::collections::BTreeMap;

use super::boxes::{Box, Reader, cut, too_many};
use super::container::{Coded, Contained, Layer, Meaning};
use crate::recording::images::picture::Undecodable;
use crate::recording::words::first_bytes;

/// Most tiles of a grid.
const MAX_TILES: usize = 4096;
/// Most entries of tables of items: items, pieces, properties and references together.
const MAX_ENTRIES: usize = 100_000;
/// Most references between items.
const MAX_REFERENCES: usize = 3 * MAX_TILES;
/// Properties that do not change what Pillow makes of the pixels (it turns and crops nothing).
const HARMLESS: [&[u8; 4]; 10] = [
    b"ispe", b"av1C", b"colr", b"auxC", b"pixi", b"pasp", b"clap", b"irot", b"imir", b"clli",
];
/// Properties by which a layer of several is chosen.
const LAYERS: [&[u8; 4]; 2] = [b"a1op", b"lsel"];
/// How an alpha channel is named.
const ALPHA: [&[u8]; 2] = [
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
];

/// An item, as far as its boxes say.
#[derive(Debug, Default)]
struct Item<'f> {
    kind: [u8; 4],
    /// Whether its bytes lie in the `meta` box itself.
    inside: bool,
    /// Start and length of each piece.
    pieces: Vec<(u64, u64)>,
    properties: Vec<Box<'f>>,
    /// Names of properties without which it cannot be read.
    essential: Vec<[u8; 4]>,
}

/// All items of a file.
pub(super) struct Items<'f> {
    primary: u32,
    items: BTreeMap<u32, Item<'f>>,
    /// Kind, source and target of each reference.
    references: Vec<([u8; 4], u32, u32)>,
    /// The bytes in the `meta` box.
    inside: &'f [u8],
    /// How many entries of tables were read.
    entries: usize,
}

impl<'f> Items<'f> {
    /// Reads the content of the `meta` box.
    pub(super) fn of(meta: &'f [u8]) -> Result<Self, Undecodable> {
        let mut reader = Reader(meta);
        reader.u32()?;
        let mut items = Self {
            primary: 0,
            items: BTreeMap::new(),
            references: Vec::new(),
            inside: &[],
            entries: 0,
        };
        for of in reader.boxes()? {
            match &of.name {
                b"pitm" => {
                    let (version, _, mut reader) = of.full()?;
                    items.primary = reader.id(version > 0)?;
                }
                b"iinf" => items.kinds(of)?,
                b"iloc" => items.places(of)?,
                b"iprp" => items.properties(of)?,
                b"iref" => items.refer(of)?,
                b"idat" => items.inside = of.content,
                _ => {}
            }
        }
        Ok(items)
    }

    /// Counts an entry of a table: some take no byte of the file, but all take memory.
    fn count(&mut self) -> Result<(), Undecodable> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(too_many(MAX_ENTRIES, "entries"));
        }
        Ok(())
    }

    fn kinds(&mut self, of: Box<'f>) -> Result<(), Undecodable> {
        let (version, _, mut reader) = of.full()?;
        reader.id(version > 0)?;
        for entry in reader.boxes()? {
            let (version, _, mut reader) = entry.full()?;
            if entry.name != *b"infe" || version < 2 {
                continue;
            }
            self.count()?;
            let id = reader.id(version > 2)?;
            reader.u16()?;
            self.items.entry(id).or_default().kind = reader.name()?;
        }
        Ok(())
    }

    fn places(&mut self, of: Box<'f>) -> Result<(), Undecodable> {
        let (version, _, mut reader) = of.full()?;
        let (first, second) = (reader.u8()?, reader.u8()?);
        let index = if version == 0 { 0 } else { second & 15 };
        let count = reader.id(version > 1)?;
        for _ in 0..count {
            self.count()?;
            let id = reader.id(version > 1)?;
            let method = if version == 0 { 0 } else { reader.u16()? & 15 };
            let elsewhere = reader.u16()?;
            if method > 1 || elsewhere != 0 {
                return Err(Undecodable::not_a_picture(
                    "an AVIF whose pixels lie in another item or file",
                ));
            }
            let base = reader.sized(second >> 4)?;
            let mut pieces = Vec::new();
            for _ in 0..reader.u16()? {
                self.count()?;
                reader.sized(index)?;
                let start = base
                    .checked_add(reader.sized(first >> 4)?)
                    .ok_or_else(cut)?;
                pieces.push((start, reader.sized(first & 15)?));
            }
            let item = self.items.entry(id).or_default();
            (item.inside, item.pieces) = (method == 1, pieces);
        }
        Ok(())
    }

    fn properties(&mut self, of: Box<'f>) -> Result<(), Undecodable> {
        let boxes = of.reader().boxes()?;
        let all = boxes.iter().find(|of| of.name == *b"ipco");
        let all = all.ok_or_else(cut)?.reader().boxes()?;
        for of in boxes.iter().filter(|of| of.name == *b"ipma") {
            let (version, flags, mut reader) = of.full()?;
            for _ in 0..reader.u32()? {
                let id = reader.id(version > 0)?;
                for _ in 0..reader.u8()? {
                    self.count()?;
                    let (essential, index) = if flags & 1 == 1 {
                        let word = reader.u16()?;
                        (word >> 15 == 1, word & 0x7fff)
                    } else {
                        let byte = reader.u8()?;
                        (byte >> 7 == 1, u16::from(byte & 0x7f))
                    };
                    let Some(index) = usize::from(index).checked_sub(1) else {
                        continue;
                    };
                    let property = *all.get(index).ok_or_else(cut)?;
                    let item = self.items.entry(id).or_default();
                    item.properties.push(property);
                    if essential {
                        item.essential.push(property.name);
                    }
                }
            }
        }
        Ok(())
    }

    fn refer(&mut self, of: Box<'f>) -> Result<(), Undecodable> {
        let (version, _, reader) = of.full()?;
        for reference in reader.boxes()? {
            let mut reader = reference.reader();
            let from = reader.id(version > 0)?;
            for _ in 0..reader.u16()? {
                let to = reader.id(version > 0)?;
                self.references.push((reference.name, from, to));
                if self.references.len() > MAX_REFERENCES {
                    return Err(too_many(MAX_REFERENCES, "references"));
                }
            }
        }
        Ok(())
    }

    /// Width and height of the picture.
    pub(super) fn size(&self) -> Result<[u32; 2], Undecodable> {
        self.item(self.primary)?.size()
    }

    /// The picture, with its bytes from the whole `file`.
    pub(super) fn contained(&self, file: &'f [u8]) -> Result<Contained, Undecodable> {
        if self.items.values().any(|item| item.kind == *b"sato") {
            return Err(Undecodable::not_a_picture(
                "an AVIF whose bits are spread over several pictures",
            ));
        }
        let colours = self.layer(self.primary, file)?;
        let alpha = self.alpha_of(self.primary)?;
        if alpha.is_none() {
            for tile in self.tiles(self.primary) {
                if self.alpha_of(tile)?.is_some() {
                    return Err(Undecodable::not_a_picture(
                        "an AVIF whose tiles have alpha channels of their own",
                    ));
                }
            }
        }
        let premultiplied =
            alpha.is_some_and(|alpha| self.references.contains(&(*b"prem", self.primary, alpha)));
        Ok(Contained {
            meaning: self.item(self.primary)?.meaning()?,
            alpha: alpha.map(|alpha| self.layer(alpha, file)).transpose()?,
            colours,
            premultiplied,
        })
    }

    fn item(&self, id: u32) -> Result<&Item<'f>, Undecodable> {
        self.items
            .get(&id)
            .ok_or_else(|| Undecodable::not_a_picture("an AVIF without a picture"))
    }

    /// The items that a grid consists of, in their order.
    fn tiles(&self, grid: u32) -> Vec<u32> {
        let tiles = self.references.iter();
        let tiles = tiles.filter(|(kind, from, _)| kind == b"dimg" && *from == grid);
        tiles.map(|(_, _, to)| *to).collect()
    }

    /// The item that is the alpha channel of another.
    fn alpha_of(&self, colours: u32) -> Result<Option<u32>, Undecodable> {
        for (kind, from, to) in &self.references {
            if kind == b"auxl" && *to == colours && self.item(*from)?.is_alpha()? {
                return Ok(Some(*from));
            }
        }
        Ok(None)
    }

    fn layer(&self, id: u32, file: &'f [u8]) -> Result<Layer, Undecodable> {
        let item = self.item(id)?;
        item.check()?;
        match &item.kind {
            b"av01" => Ok(Layer {
                size: item.size()?,
                columns: 1,
                tiles: vec![self.coded(item, file)?],
            }),
            b"grid" => self.grid(id, file),
            other => Err(Undecodable::NotAPicture(format!(
                "an AVIF whose picture is of the kind {}",
                first_bytes(other)
            ))),
        }
    }

    fn grid(&self, id: u32, file: &'f [u8]) -> Result<Layer, Undecodable> {
        let item = self.item(id)?;
        let described = self.bytes(item, file)?;
        let mut reader = Reader(&described);
        reader.u8()?;
        let long = reader.u8()? & 1 == 1;
        let [rows, columns] = [reader.u8()?, reader.u8()?].map(|less| usize::from(less) + 1);
        let size = [reader.id(long)?, reader.id(long)?];
        let tiles = self.tiles(id);
        if rows * columns > MAX_TILES {
            return Err(too_many(MAX_TILES, "tiles"));
        }
        if size != item.size()? || tiles.len() != rows * columns {
            return Err(cut());
        }
        let first = self.item(tiles[0])?.size()?;
        let covers = |side: usize, count: usize| {
            let all = u64::from(first[side]) * count as u64;
            let needed = u64::from(size[side]);
            all >= needed && all - needed < u64::from(first[side])
        };
        if !covers(0, columns) || !covers(1, rows) {
            return Err(cut());
        }
        let mut coded = Vec::with_capacity(tiles.len());
        let mut bytes = 0;
        for tile in tiles {
            let tile = self.item(tile)?;
            tile.check()?;
            if tile.kind != *b"av01" || tile.size()? != first {
                return Err(Undecodable::not_a_picture(
                    "an AVIF whose tiles are of several kinds or sizes",
                ));
            }
            let one = self.coded(tile, file)?;
            // Tiles that share their bytes would take more memory than the file.
            bytes += one.bytes.len();
            if bytes > file.len() {
                return Err(cut());
            }
            coded.push(one);
        }
        Ok(Layer {
            size,
            columns,
            tiles: coded,
        })
    }

    fn coded(&self, item: &Item<'f>, file: &'f [u8]) -> Result<Coded, Undecodable> {
        Ok(Coded {
            size: item.size()?,
            bytes: self.bytes(item, file)?,
        })
    }

    /// An item's bytes, not more than the file has.
    fn bytes(&self, item: &Item<'f>, file: &'f [u8]) -> Result<Vec<u8>, Undecodable> {
        let from = if item.inside { self.inside } else { file };
        let mut bytes = Vec::new();
        for (start, length) in &item.pieces {
            let end = start.checked_add(*length).ok_or_else(cut)?;
            let [start, end] = [*start, end].map(usize::try_from);
            let (start, end) = (start.map_err(|_| cut())?, end.map_err(|_| cut())?);
            let piece = from.get(start..end).ok_or_else(cut)?;
            if bytes.len() + piece.len() > file.len() {
                return Err(cut());
            }
            bytes.extend_from_slice(piece);
        }
        Ok(bytes)
    }
}

impl Item<'_> {
    fn property(&self, name: &[u8; 4]) -> Option<&Box<'_>> {
        self.properties.iter().find(|of| of.name == *name)
    }

    fn size(&self) -> Result<[u32; 2], Undecodable> {
        let (_, _, mut reader) = self.property(b"ispe").ok_or_else(cut)?.full()?;
        Ok([reader.u32()?, reader.u32()?])
    }

    fn meaning(&self) -> Result<Option<Meaning>, Undecodable> {
        for property in self.properties.iter().filter(|of| of.name == *b"colr") {
            if let Some(meaning) = meaning(property)? {
                return Ok(Some(meaning));
            }
        }
        Ok(None)
    }

    fn is_alpha(&self) -> Result<bool, Undecodable> {
        let Some(property) = self.property(b"auxC") else {
            return Ok(false);
        };
        let (_, _, reader) = property.full()?;
        let name = reader.0.split(|byte| *byte == 0).next();
        Ok(name.is_some_and(|name| ALPHA.contains(&name)))
    }

    /// Refuses properties that would change the pixels.
    fn check(&self) -> Result<(), Undecodable> {
        if LAYERS.iter().any(|name| self.property(name).is_some()) {
            return Err(Undecodable::not_a_picture(
                "an AVIF that chooses one of several layers",
            ));
        }
        match self.essential.iter().find(|of| !HARMLESS.contains(of)) {
            None => Ok(()),
            Some(name) => Err(Undecodable::NotAPicture(format!(
                "an AVIF with an essential property that is not known, {}",
                first_bytes(name)
            ))),
        }
    }
}

/// What a `colr` box says of numbers; nothing where it has a profile.
pub(super) fn meaning(colr: &Box<'_>) -> Result<Option<Meaning>, Undecodable> {
    let mut reader = colr.reader();
    if reader.name()? != *b"nclx" {
        return Ok(None);
    }
    let primaries = reader.u16()?;
    reader.u16()?;
    Ok(Some(Meaning {
        primaries,
        matrix: reader.u16()?,
        full: reader.u8()? >> 7 == 1,
    }))
}
