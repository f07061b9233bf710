//! The trial ids of every sample sweep. A changed id makes a finished trial run again, so none may change.

use nrp_proto::sweep::{AnnTable, Catalogue, GridError, SweepFile};
use nrp_proto::wire::SweepSpec;
use nrp_worker::ann::{self, OpenedAnn, Resize};
use nrp_worker::recording::PictureFacts;
use std::path::Path;

/// Digest of the simulated recordings that `assembly = "simulated"` stands for.
const SIMULATED: &str = "simulated:fc78c0380cd72c5beec3c6661ffafb44";

/// Each sample sweep with its id, its number of trials, and the first 32 hexadecimal digits of a BLAKE3
/// over its sorted trial ids, one a line.
const EXPECTED: &[(&str, &str, usize, &str)] = &[
    (
        "fig3a",
        "b399c1d623ede161",
        296,
        "1ba1deb32966302b9d41074b731b870e",
    ),
    (
        "fig3b",
        "381f89524a82763a",
        120,
        "4c1eda8911683e9a46decceb6c9de30f",
    ),
    (
        "paper",
        "4a8a5568df6aa0a6",
        6566,
        "cf732769af1977d66a773f95852772dc",
    ),
    (
        "quickstart",
        "ed9faa325cff59d2",
        8,
        "ce320b0570152fcb3c4eb1dfddd31d67",
    ),
    (
        "search",
        "d6e3a94abedd45b7",
        48,
        "c301693cd08b5f5d80809c9babb7ac34",
    ),
    (
        "small-fig3a",
        "d411c95f9c01357c",
        32,
        "557986429274cf823593456b0e850e6b",
    ),
    (
        "small-fig3b",
        "3b5cee930d7cb478",
        30,
        "f5cc46006a6b69e0ab69efb5abc5f848",
    ),
    (
        "v4-all-anns",
        "21c18349e8407332",
        16,
        "b09717b8c948c47e766273cc65f259bd",
    ),
    (
        "v4-baselines",
        "537e70b9d70a96c7",
        14,
        "47873b9bc584b18e3067b1bfbfaef354",
    ),
    (
        "v4-mobilenet",
        "e32261be2523587d",
        16,
        "1e4f948513e945d8faccb03bf062c7f8",
    ),
    (
        "v4-nonlinear",
        "b50320f6362010b2",
        700,
        "b76a16a491874367470df3e5d94299ec",
    ),
    (
        "v4-report",
        "32c3e926566c252a",
        1380,
        "de0216e4948d2815ac7fcbb4aff319d3",
    ),
    (
        "v4-row-space",
        "c4e458f02209fd4d",
        24,
        "60096474708deb920ff17a7b1597067f",
    ),
];

/// The ANNs that this version has, as the sweep file's check asks for them.
struct Anns;

impl Catalogue for Anns {
    fn offered(&self) -> Vec<&str> {
        let built_in = ann::offered().iter().map(|info| info.name);
        built_in.chain([ann::ONNX]).collect()
    }

    fn layers(&self, ann: &AnnTable) -> Option<Vec<String>> {
        let layers = ann::find(&ann.name).ok()?.layers();
        Some(layers.into_iter().map(|layer| layer.name).collect())
    }

    fn candidates(&self, ann: &AnnTable) -> Vec<&str> {
        ann::find(&ann.name).map_or_else(|_| Vec::new(), |info| info.candidates.to_vec())
    }

    fn region_layers(&self, name: &str) -> Vec<(&str, &str)> {
        ann::find(name).map_or_else(|_| Vec::new(), |info| info.region_layers.to_vec())
    }

    fn region_map(&self, _: &AnnTable, _: &str) -> &[(String, Vec<String>)] {
        &[]
    }
}

/// The sweep in `file`, as a client submits it. Digests of files, which are not all here, are stood in for
/// by the files' names; what is simulated or random has its real digest.
fn submitted(file: &Path) -> SweepSpec {
    let text = std::fs::read_to_string(file).unwrap();
    let sweep = SweepFile::parse(&text).unwrap().expand(&Anns);
    sweep.check(&Anns).unwrap();
    let mut spec = sweep.to_spec();
    spec.recordings_digest = if spec.simulated {
        SIMULATED.to_owned()
    } else {
        format!("digest of {}", spec.files.as_ref().unwrap().assembly)
    };
    for entry in &mut spec.anns {
        let ann = entry.ann.as_mut().unwrap();
        ann.weights_digest = if entry.weights.starts_with("random:") {
            entry.weights.clone()
        } else {
            format!("digest of {}", entry.weights)
        };
        let order = Resize::of_preprocessing(&ann.preprocessing);
        let opened = OpenedAnn::built_in(ann::find(&ann.name).unwrap());
        ann.preprocessing = opened
            .preprocessing_id(order, None, &PictureFacts::default())
            .expect("no screen");
    }
    spec
}

fn trial_ids(spec: &SweepSpec) -> Vec<String> {
    let mut ids = Vec::new();
    let visited = spec.for_each_trial(|trial| {
        ids.push(format!("{:032x}", trial.id));
        Ok::<_, GridError>(())
    });
    visited.unwrap();
    ids.sort();
    ids
}

#[test]
fn every_trial_of_the_sample_sweeps_keeps_its_id() {
    let sweeps = Path::new(env!("CARGO_MANIFEST_DIR")).join("sweeps");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(sweeps).unwrap() {
        let spec = submitted(&entry.unwrap().path());
        let ids = trial_ids(&spec);
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let digest = blake3::hash(lines.as_bytes()).to_hex()[..32].to_owned();
        found.push((spec.name.clone(), spec.id(), ids.len(), digest));
    }
    found.sort();
    let expected: Vec<_> = EXPECTED
        .iter()
        .map(|&(name, id, trials, digest)| {
            (name.to_owned(), id.to_owned(), trials, digest.to_owned())
        })
        .collect();
    assert_eq!(found, expected, "ids of trials have changed");
}
