//! The table of presets: Brain-Score's benchmarks as brainscore-vision 2.4.2 has them, and those that are no
//! presets, with what is missing.

/// A set of recordings as a benchmark has it.
#[derive(Debug)]
pub struct Benchmark {
    /// Its name.
    pub data: &'static str,
    /// Its regions; empty where the sweep file names them.
    pub regions: &'static [&'static str],
    /// What is fitted or compared.
    pub regressions: &'static [Regression],
    /// Degrees of visual angle of the images' width.
    pub degrees: f64,
    /// The time after an image's onset whose responses are taken, in words; empty where it is not known.
    pub window: &'static str,
    /// Which time bins are read.
    pub bins: PresetBins,
    /// How stimuli are divided.
    pub split: PresetSplit,
    /// How the ceiling is measured, as sweep files spell it.
    pub ceiling: &'static str,
    /// The sites that are read, as sweep files spell it; empty for all.
    pub sites: &'static str,
    /// Whether each subject is fitted and scored alone.
    pub per_subject: bool,
    /// Whether the assembly does not say its region.
    pub lacks_region: bool,
    /// Where the recordings are, in words.
    pub source: &'static str,
    /// Whether the recordings can be had without credentials.
    pub public: bool,
    /// What differs from Brain-Score, in words; empty where nothing is known to.
    pub differs: &'static str,
}

/// What is fitted or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regression {
    /// Partial least squares with 25 components.
    Pls,
    /// Ridge regression with a penalty of 1.
    Ridge,
    /// Ridge regression, one of 99 penalties for all sites.
    RidgeCv,
    /// Partial least squares from sites to units.
    ReversePls,
    /// Representational similarity.
    Rdm,
    /// Centred kernel alignment.
    Cka,
}

/// Which time bins a benchmark reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PresetBins {
    /// The file has one bin or none.
    Only,
    /// The mean of those in a window, in milliseconds.
    Window([f64; 2]),
    /// The one of this id.
    Id(i64),
}

/// How a benchmark divides stimuli.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetSplit {
    /// Ten splits of 90 % and 10 %, stratified by a column.
    Stratified(&'static str),
    /// Ten splits of 90 % and 10 %, not stratified.
    Plain,
    /// Train and test recordings of their own.
    Given,
}

impl Regression {
    /// What Brain-Score calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pls => "pls",
            Self::Ridge => "ridge",
            Self::RidgeCv => "ridgecv",
            Self::ReversePls => "reverse_pls",
            Self::Rdm => "rdm",
            Self::Cka => "cka",
        }
    }

    /// The word of `baselines`.
    pub const fn baseline(self) -> &'static str {
        match self {
            Self::Ridge => "ridge-1",
            Self::ReversePls => "reverse-pls",
            Self::Pls | Self::RidgeCv | Self::Rdm | Self::Cka => self.name(),
        }
    }
}

impl PresetSplit {
    /// The split in words.
    pub fn in_words(self) -> String {
        match self {
            Self::Stratified(column) => format!("10 × 90/10, stratified by {column}"),
            Self::Plain => "10 × 90/10, not stratified".to_owned(),
            Self::Given => "train and test recordings".to_owned(),
        }
    }
}

/// The ceiling that `scheme = "brain-score"` and `"given"` have where none is written.
pub(super) const REPETITION: &str = "repetition";

const V4_IT: &[&str] = &["V4", "IT"];
const ALL_REGIONS: &[&str] = &["V1", "V2", "V4", "IT"];
const BUCKET: &str = "Brain-Score's S3 bucket `brainscore-storage`";
const CLOSED: &str = "not public";

/// Most benchmarks: what the others differ from.
const PLS: Benchmark = Benchmark {
    data: "",
    regions: V4_IT,
    regressions: &[Regression::Pls],
    degrees: 8.0,
    window: "",
    bins: PresetBins::Only,
    split: PresetSplit::Plain,
    ceiling: REPETITION,
    sites: "",
    per_subject: false,
    lacks_region: false,
    source: CLOSED,
    public: false,
    differs: "",
};

const MAJAJ: Benchmark = Benchmark {
    data: "MajajHong2015",
    window: "70–170 ms",
    split: PresetSplit::Stratified("object_name"),
    ..PLS
};

const FREEMAN: Benchmark = Benchmark {
    data: "FreemanZiemba2013",
    regions: &["V1", "V2"],
    degrees: 4.0,
    window: "50–200 ms, mean of its bins",
    bins: PresetBins::Window([50.0, 200.0]),
    split: PresetSplit::Stratified("texture_type"),
    ..PLS
};

const SANGHAVI: Benchmark = Benchmark {
    data: "Sanghavi2020",
    window: "70–170 ms, its bin 0",
    bins: PresetBins::Id(0),
    split: PresetSplit::Stratified("object_name"),
    ..PLS
};

/// What is fitted to train recordings and tested on others, each subject alone.
const GIVEN: Benchmark = Benchmark {
    regressions: &[Regression::Ridge, Regression::RidgeCv],
    split: PresetSplit::Given,
    per_subject: true,
    ..PLS
};

const LI: Benchmark = Benchmark {
    data: "Li2026",
    regions: ALL_REGIONS,
    regressions: &[Regression::RidgeCv],
    degrees: 11.0,
    window: "70–170 ms",
    ceiling: "coordinate:reliability_window",
    sites: "reliability_window > 0.4",
    source: "not public as an assembly; its parts are at ScienceDB and NSD",
    ..PLS
};

const ALLEN: Benchmark = Benchmark {
    data: "Allen2022",
    regions: ALL_REGIONS,
    regressions: &[Regression::Ridge, Regression::Rdm],
    degrees: 8.4,
    sites: "nc_testset > 30",
    ..GIVEN
};

/// Every benchmark that presets stand for.
pub const BENCHMARKS: [Benchmark; 18] = [
    MAJAJ,
    Benchmark {
        data: "MajajHong2015public",
        source: BUCKET,
        public: true,
        ..MAJAJ
    },
    Benchmark {
        data: "MajajHong2015public",
        regressions: &[Regression::ReversePls],
        ceiling: "per-stimulus",
        source: BUCKET,
        public: true,
        ..MAJAJ
    },
    FREEMAN,
    Benchmark {
        data: "FreemanZiemba2013public",
        source: BUCKET,
        public: true,
        ..FREEMAN
    },
    Benchmark {
        data: "Cadena2017",
        regions: &["V1"],
        degrees: 2.0,
        lacks_region: true,
        differs: "Brain-Score leaves out stimuli with a missing response (some 14 %), and nrp keeps them",
        ..PLS
    },
    SANGHAVI,
    Benchmark {
        data: "SanghaviJozwik2020",
        split: PresetSplit::Plain,
        ..SANGHAVI
    },
    Benchmark {
        data: "SanghaviMurty2020",
        degrees: 5.0,
        split: PresetSplit::Plain,
        ..SANGHAVI
    },
    Benchmark {
        data: "Rajalingham2020",
        regions: &["IT"],
        ..PLS
    },
    Benchmark {
        data: "Igustibagus2024",
        regions: &["IT"],
        regressions: &[Regression::Ridge],
        split: PresetSplit::Stratified("object_label"),
        differs: "Brain-Score leaves out sites whose consistency is below 0.7, and of each split the training \
                  stimuli that share a background with test stimuli; nrp keeps both, so scores are not comparable",
        ..PLS
    },
    Benchmark {
        data: "Papale2025",
        regions: &["V1", "V4", "IT"],
        degrees: 18.0,
        window: "70–170 ms",
        sites: "reliability > 0.3",
        ..GIVEN
    },
    Benchmark {
        data: "Hebart2023_fmri",
        regions: ALL_REGIONS,
        degrees: 10.0,
        sites: "nc_testset > 30",
        ..GIVEN
    },
    ALLEN,
    LI,
    Benchmark {
        regressions: &[Regression::Rdm],
        per_subject: true,
        ..LI
    },
    Benchmark {
        data: "Cowley2026",
        regions: &["V4"],
        degrees: 11.2,
        window: "50–150 ms",
        ceiling: "even-odd",
        source: "not public; an earlier release is at GitHub, cowleygroup/V4_compact_models (GPL-3.0), with \
                 repetitions averaged in three of its sessions, which leaves those without a ceiling",
        differs: "Brain-Score's score and ceiling are means over four sessions; a sweep is of one of them",
        ..PLS
    },
    Benchmark {
        data: "Zerbe2026",
        regions: &[],
        regressions: &[Regression::Cka],
        degrees: 9.2,
        sites: "nc_12rep >= 30",
        per_subject: true,
        source: "assemblies are CC0 in a bucket that is not public, images under an agreement",
        ..PLS
    },
];

/// Benchmarks of Brain-Score that are no presets, each with what is missing.
pub const LEFT_OUT: [(&str, &str); 10] = [
    (
        "MajajHong2015public.{V4,IT}-temporal-pls",
        "fits one model to all time bins; `time_bins = \"each\"` fits each bin by itself",
    ),
    (
        "Kar2019-ost",
        "compares the times at which objects are decoded, which are not responses",
    ),
    (
        "Rajalingham2018, Kato2026",
        "behaviour is compared, not responses",
    ),
    (
        "Gifford2022.IT-{ridge,ridgecv}",
        "time bins are sites there, and its 23 penalties are others than the 99 of `ridgecv`",
    ),
    (
        "Li2026 temporal",
        "fits one model to all time bins; `time_bins = \"each\"` fits each bin by itself",
    ),
    (
        "Zerbe2026-{ridgecv,rdm-pearson}",
        "has 21 penalties of its own, splits that its authors publish (`scheme = \"file\"` reads such), and a \
         ceiling by the root of `nc_12rep`, which `ceiling = \"coordinate:NAME\"` does not take",
    ),
    (
        "Coggan2024_fMRI",
        "compares correlation matrices that its file has in place of responses",
    ),
    (
        "Bracci2019",
        "its sites and its ceiling are not known here; `baselines = [\"rdm\"]` compares any recordings",
    ),
    (
        "Marques2020, Islam2021",
        "compares distributions of single-neuron properties",
    ),
    ("Cadena2017-mask", "fits a factorised readout of its own"),
];
