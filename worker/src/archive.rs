//! Archives: how much a zip file may unpack to. A few kilobytes can claim terabytes, or hold them.
//!
//! An archive's claims are checked before a byte is unpacked; while unpacking, zip's reader checks
//! that there is no more. Each format's reader knows what an entry is and how large it may be. Entries
//! may be packed by deflate, deflate64, bzip2, LZMA, xz or zstd, or not at all.

use std::io::{Read, Seek};

use thiserror::Error;
use zip::read::{ArchiveOffset, Config, ZipFile};
use zip::{CompressionMethod, ZipArchive};

/// How many times its own size an archive may unpack to that is packed by deflate alone. Deflate's limit
/// is 1,032: an archive that claims more has entries that share their bytes. The other methods have no
/// such limit.
const MAX_INFLATION: u64 = 1_100;

/// Why an archive or one of its entries is not unpacked.
#[derive(Debug, Error)]
pub(crate) enum ArchiveError {
    #[error("its entries claim to unpack to {claimed} bytes; the limit is {limit}")]
    Total { claimed: u64, limit: u64 },
    #[error("its entries claim {claimed} packed bytes, and it has {bytes}")]
    Shared { claimed: u64, bytes: u64 },
    #[error("it unpacks to {claimed} bytes; the limit is {limit}")]
    Entry { claimed: u64, limit: u64 },
    #[error("it cannot be unpacked ({0})")]
    Io(std::io::Error),
    #[error(transparent)]
    Zip(#[from] zip::result::ZipError),
}

impl From<std::io::Error> for ArchiveError {
    /// Reading an entry says only then that its method is unknown, in an error of zip's within one of reading.
    fn from(error: std::io::Error) -> Self {
        match error.downcast() {
            Ok(zip) => Self::Zip(zip),
            Err(error) => Self::Io(error),
        }
    }
}

/// Opens an archive that `open` opens the file of. It is taken to begin where the file does, and only if it does
/// not, to stand behind something else: sound archives with a zip64 record look to zip 9.8.1 as if they stood behind
/// something, where the header of their first entry is as long as that record (a name of 30 characters).
///
/// # Errors
/// When the file cannot be opened, or is not an archive.
pub(crate) fn open<R: Read + Seek>(
    open: impl Fn() -> std::io::Result<R>,
) -> Result<ZipArchive<R>, zip::result::ZipError> {
    let at_start = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    ZipArchive::with_config(at_start, open()?).or_else(|_| ZipArchive::new(open()?))
}

/// Refuses an archive of `bytes` whose entries claim to unpack to more than `limit` in all, or to more
/// than deflate makes of so many bytes where nothing else packed them, or to share their bytes.
pub(crate) fn check_total<R: Read + Seek>(
    archive: &ZipArchive<R>,
    bytes: u64,
    limit: u64,
) -> Result<(), ArchiveError> {
    let (mut claimed, mut packed, mut by_deflate) = (0_u64, 0_u64, true);
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index)?;
        claimed = claimed.saturating_add(entry.size());
        packed = packed.saturating_add(entry.compressed_size());
        let method = entry.compression();
        by_deflate &= matches!(
            method,
            CompressionMethod::STORE | CompressionMethod::DEFLATE
        );
    }
    let limit = if by_deflate {
        limit.min(bytes.saturating_mul(MAX_INFLATION))
    } else {
        limit
    };
    if claimed > limit {
        Err(ArchiveError::Total { claimed, limit })
    } else if !by_deflate && packed > bytes {
        let claimed = packed;
        Err(ArchiveError::Shared { claimed, bytes })
    } else {
        Ok(())
    }
}

/// Whether a file is not one of the archive's contents but a note of the system that packed it: macOS's
/// resource forks and folder settings, Windows's thumbnails.
pub(crate) fn is_systems_own(path: &str) -> bool {
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_file = parts.peek().is_none();
        let own_file = part.starts_with("._")
            || matches!(
                part,
                ".DS_Store" | "Thumbs.db" | "desktop.ini" | "Desktop.ini"
            );
        if part == "__MACOSX" || (is_file && own_file) {
            return true;
        }
    }
    false
}

/// An entry's bytes, at most `limit`.
pub(crate) fn unpack<R: Read>(
    mut entry: ZipFile<'_, R>,
    limit: u64,
) -> Result<Vec<u8>, ArchiveError> {
    let claimed = entry.size();
    if claimed > limit {
        return Err(ArchiveError::Entry { claimed, limit });
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Zips for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::io::{Cursor, Write};

    /// A zip of these entries.
    pub(crate) fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).expect("an entry");
            zip.write_all(bytes).expect("its bytes");
        }
        zip.finish().expect("a zip").into_inner()
    }

    /// Makes each entry that unpacks to `length` bytes claim that it unpacks to `claimed`.
    pub(crate) fn claiming(mut zip: Vec<u8>, length: u32, claimed: u32) -> Vec<u8> {
        // Where the length stands after the signature of a local and of a central header.
        for (signature, offset) in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)] {
            let mut changed = 0;
            for at in 0..zip.len().saturating_sub(offset + 4) {
                let field = at + offset..at + offset + 4;
                if zip[at..].starts_with(signature) && zip[field.clone()] == length.to_le_bytes() {
                    zip[field].copy_from_slice(&claimed.to_le_bytes());
                    changed += 1;
                }
            }
            assert!(changed > 0, "no entry has {length} bytes");
        }
        zip
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{claiming, zipped};
    use super::*;
    use std::io::Cursor;

    fn open(zip: Vec<u8>) -> (ZipArchive<Cursor<Vec<u8>>>, u64) {
        let bytes = zip.len() as u64;
        (ZipArchive::new(Cursor::new(zip)).expect("a zip"), bytes)
    }

    #[test]
    fn what_claims_too_much_is_refused_before_it_is_unpacked() {
        let (mut archive, bytes) = open(zipped(&[("a", &[7; 1000])]));
        assert!(check_total(&archive, bytes, 1000).is_ok());
        let unpacked = |archive: &mut ZipArchive<Cursor<Vec<u8>>>, limit| {
            unpack(archive.by_index(0).expect("an entry"), limit)
        };
        assert_eq!(unpacked(&mut archive, 1000).expect("its bytes"), [7; 1000]);
        let text = unpacked(&mut archive, 999)
            .expect_err("too large")
            .to_string();
        assert_eq!(text, "it unpacks to 1000 bytes; the limit is 999");
        let text = check_total(&archive, bytes, 999)
            .expect_err("too large")
            .to_string();
        assert_eq!(
            text,
            "its entries claim to unpack to 1000 bytes; the limit is 999"
        );
        // More than deflate can make of it.
        let claims = claiming(zipped(&[("a", &[7; 1000])]), 1000, u32::MAX - 1);
        let (mut archive, bytes) = open(claims);
        assert!(matches!(
            check_total(&archive, bytes, u64::MAX),
            Err(ArchiveError::Total { .. })
        ));
        assert!(matches!(
            unpacked(&mut archive, 1 << 20),
            Err(ArchiveError::Entry { claimed, .. }) if claimed == u64::from(u32::MAX - 1)
        ));
    }

    #[test]
    fn files_of_the_packing_system_are_told_from_the_content() {
        for own in [
            "__MACOSX/._a.png",
            "set/__MACOSX/x/a.png",
            "._a.png",
            "set/._a.png",
            ".DS_Store",
            "set/.DS_Store",
            "Thumbs.db",
        ] {
            assert!(is_systems_own(own), "{own}");
        }
        for content in [
            "a.png",
            "set/a.png",
            "_a.png",
            "__MACOSX.png",
            "._x/a.png",
            ".a.png",
        ] {
            assert!(!is_systems_own(content), "{content}");
        }
    }

    #[test]
    fn every_method_unpacks_what_python_and_7_zip_packed() {
        let zip = include_bytes!("testdata/methods.zip").to_vec();
        let bytes = zip.len() as u64;
        let mut archive = ZipArchive::new(Cursor::new(zip)).expect("a zip");
        check_total(&archive, bytes, 1 << 20).expect("sound claims");
        let expected: Vec<u8> = (0..2500_u32)
            .flat_map(|n| (n * n % 977).to_le_bytes())
            .collect();
        let mut methods = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index(index).expect("a method that is read");
            methods.push(entry.name().expect("a name").into_owned());
            assert_eq!(
                unpack(entry, 10_000).expect("its bytes"),
                expected,
                "{methods:?}"
            );
        }
        methods.sort();
        assert_eq!(
            methods,
            [
                "bzip2",
                "deflate",
                "deflate64",
                "lzma",
                "stored",
                "xz",
                "zstd"
            ]
        );
    }

    #[test]
    fn entries_that_share_their_bytes_are_refused_whatever_packed_them() {
        let zip = include_bytes!("testdata/methods.zip").to_vec();
        let bytes = zip.len() as u64;
        let archive = ZipArchive::new(Cursor::new(zip)).expect("a zip");
        let error = check_total(&archive, bytes / 2, 1 << 20).expect_err("too many claims");
        assert!(matches!(error, ArchiveError::Shared { .. }), "{error}");
    }

    #[test]
    fn what_unpacks_to_more_than_it_claims_is_not_unpacked_to_its_end() {
        let (mut archive, _) = open(claiming(zipped(&[("a", &[7; 100_000])]), 100_000, 10));
        let error = unpack(archive.by_index(0).expect("an entry"), 1 << 20);
        let text = error.expect_err("a lie").to_string();
        assert!(text.contains("larger than its declared"), "{text}");
    }
}
