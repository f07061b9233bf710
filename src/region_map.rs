//! Region maps: Brain-Score's JSON files of the layer that each region is committed to, as
//! `{"V4": "features.7", "IT": "features.12"}`. `nrp commit` writes them, `layer_sets = "region-map:FILE"` reads
//! them.

use miette::Diagnostic;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The largest file that is read.
const BYTES_MAX: u64 = 1 << 20;

/// Regions, each with what the file says of it, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RegionMap(Vec<(String, Value)>);

/// Why a file is not read as a region map.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum RegionMapError {
    #[error("`{}` cannot be read", path.display())]
    #[diagnostic(help(
        "`region-map:FILE` starts at the data directory, by default that of the sweep file; `nrp commit --out` \
         writes such a file"
    ))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` has more than {BYTES_MAX} bytes, which no region map has", path.display())]
    #[diagnostic(help("name a JSON file such as {}", EXAMPLE))]
    TooLarge { path: PathBuf },
    #[error("`{}` is not a region map", path.display())]
    #[diagnostic(help("expected a JSON object such as {}", EXAMPLE))]
    NotAMap {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{}`: the layer of {region} is {found}, not a name or a list of names", path.display())]
    #[diagnostic(help("expected a JSON object such as {}", EXAMPLE))]
    NotALayer {
        path: PathBuf,
        region: String,
        found: String,
    },
}

/// A region map as hints show it.
const EXAMPLE: &str = r#"{ "V4": "features.7", "IT": ["features.10", "features.12"] }"#;

impl RegionMap {
    /// A map of these regions to one layer each.
    pub(crate) fn of(layers: &[(String, String)]) -> Self {
        let layers = layers.iter();
        Self(
            layers
                .map(|(region, layer)| (region.clone(), Value::String(layer.clone())))
                .collect(),
        )
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or is not a JSON object without repeated keys.
    pub(crate) fn read(path: &Path) -> Result<Self, RegionMapError> {
        let unreadable = |source| RegionMapError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
        if read.map_err(unreadable)? as u64 > BYTES_MAX {
            let path = path.to_owned();
            return Err(RegionMapError::TooLarge { path });
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        serde_json::from_slice(text).map_err(|source| RegionMapError::NotAMap {
            path: path.to_owned(),
            source,
        })
    }

    /// The regions, in the order of the file.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(region, _)| region.as_str())
    }

    /// The regions with their layers. What the file says of others than `regions` is not looked at: these have no
    /// layers here.
    ///
    /// # Errors
    /// When what it says of one of them is neither a name nor a list of names.
    pub(crate) fn layers(
        &self,
        path: &Path,
        regions: &[String],
    ) -> Result<Vec<(String, Vec<String>)>, RegionMapError> {
        let layers = self.0.iter().map(|(region, value)| {
            if !regions.contains(region) {
                return Ok((region.clone(), Vec::new()));
            }
            let name = |value: &Value| value.as_str().map(str::to_owned);
            let names = match value {
                Value::Array(names) => names.iter().map(name).collect::<Option<Vec<String>>>(),
                one => name(one).map(|name| vec![name]),
            };
            let names = names.ok_or_else(|| RegionMapError::NotALayer {
                path: path.to_owned(),
                region: region.clone(),
                found: value.to_string().chars().take(64).collect(),
            })?;
            Ok((region.clone(), names))
        });
        layers.collect()
    }

    /// Adds the regions of `other` that this map lacks; returns them.
    pub(crate) fn keep(&mut self, other: Self) -> Vec<String> {
        let known: Vec<String> = self.regions().map(str::to_owned).collect();
        let new = other.0.into_iter();
        let new: Vec<_> = new.filter(|(region, _)| !known.contains(region)).collect();
        let kept = new.iter().map(|(region, _)| region.clone()).collect();
        self.0.extend(new);
        kept
    }

    /// Writes the map to `path`, which has its old content or all of the new at any time.
    ///
    /// # Errors
    /// When the disk refuses it.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        let written = std::fs::File::create(&draft).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| std::fs::rename(&draft, path));
        if renamed.is_err() {
            // The first error is the one to report.
            let _ = std::fs::remove_file(&draft);
        }
        renamed
    }
}

impl Serialize for RegionMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(region, layers)| (region, layers)))
    }
}

impl<'de> Deserialize<'de> for RegionMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Regions;
        impl<'de> Visitor<'de> for Regions {
            type Value = RegionMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of regions and their layers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RegionMap, A::Error> {
                let mut regions: Vec<(String, Value)> = Vec::new();
                while let Some((region, layers)) = map.next_entry::<String, Value>()? {
                    if regions.iter().any(|(known, _)| *known == region) {
                        return Err(A::Error::custom(format!("`{region}` stands there twice")));
                    }
                    regions.push((region, layers));
                }
                Ok(RegionMap(regions))
            }
        }
        deserializer.deserialize_map(Regions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RegionMap, RegionMapError> {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("map.json");
        std::fs::write(&path, text).expect("written");
        RegionMap::read(&path)
    }

    fn layers(text: &str, regions: &[&str]) -> Result<Vec<(String, Vec<String>)>, RegionMapError> {
        let regions: Vec<String> = regions.iter().map(|of| (*of).to_owned()).collect();
        read(text)?.layers(Path::new("map.json"), &regions)
    }

    #[test]
    fn a_value_is_a_name_or_a_list_of_names_and_other_regions_are_not_looked_at() {
        let text = "\u{feff}{\"V1\": 3, \"IT\": [\"a\", \"b\"], \"V4\": \"features.7\"}";
        let found = layers(text, &["V4", "IT", "V2"]).expect("readable");
        let of = |region: &str, layers: &[&str]| {
            let layers = layers.iter().map(|of| (*of).to_owned()).collect();
            (region.to_owned(), layers)
        };
        assert_eq!(
            found,
            [
                of("V1", &[]),
                of("IT", &["a", "b"]),
                of("V4", &["features.7"])
            ]
        );
        let refused = layers(text, &["V1"]).expect_err("a number").to_string();
        assert_eq!(
            refused,
            "`map.json`: the layer of V1 is 3, not a name or a list of names"
        );
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for (text, said) in [
            ("[]", "an object of regions"),
            ("{\"V4\": \"a\", \"V4\": \"b\"}", "`V4` stands there twice"),
            ("{\"V4\":", "EOF"),
        ] {
            let error = read(text).expect_err(text);
            let cause = std::error::Error::source(&error).expect("a cause");
            assert!(cause.to_string().contains(said), "{cause}");
        }
        let long = format!("{{\"V4\": \"{}\"}}", "a".repeat(1 << 20));
        assert!(matches!(read(&long), Err(RegionMapError::TooLarge { .. })));
        let missing = RegionMap::read(Path::new("no-such-map.json"));
        assert!(matches!(missing, Err(RegionMapError::Unreadable { .. })));
    }

    #[test]
    fn a_map_that_is_written_reads_back_and_keeps_the_regions_of_another() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("map.json");
        let pair = |region: &str, layer: &str| (region.to_owned(), layer.to_owned());
        let old = RegionMap::of(&[pair("V1", "a"), pair("V4", "b")]);
        old.write(&path).expect("written");
        let mut new = RegionMap::of(&[pair("V4", "c"), pair("IT", "d")]);
        let kept = new.keep(RegionMap::read(&path).expect("readable"));
        assert_eq!(kept, ["V1"]);
        new.write(&path).expect("written");
        let read = RegionMap::read(&path).expect("readable");
        assert_eq!(
            read,
            RegionMap::of(&[pair("V4", "c"), pair("IT", "d"), pair("V1", "a")])
        );
        let files = std::fs::read_dir(place.path()).expect("a directory");
        assert_eq!(files.count(), 1, "no draft is left");
        assert!(old.write(&place.path().join("no/such.json")).is_err());
    }
}
