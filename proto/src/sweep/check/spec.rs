//! Finds mistakes in a sweep on the wire, which is checked as the equivalent file.

use super::ann::{check_sets, check_sparsity, check_weights};
use super::{ANNS_MAX, DUPLICATE, Found, PATH_BYTES_MAX, TEXT_BYTES_MAX, quote, repeated};
use crate::sweep::{
    Assembly, Duplicates, FilesTable, GridTable, PruningMethod, RecordingsTable, Scheme,
    SearchTable, Sites, SplitTable, SweepError, SweepFile, TrainingTable,
};
use crate::wire::{AnnEntry, RecordingsFiles, RegionSites, SplitSpec, SweepSpec, TrainingSpec};
use crate::{Message, SWEEP_BYTES_MAX};

/// The most sites of a region.
const SITES_MAX: usize = 10_000;
/// How far a noise ceiling may be above 1 by rounding.
const CEILING_SLACK: f32 = 1e-6;

impl SweepSpec {
    /// Checks what [`SweepFile::check`] checks of the equivalent file, without the catalogue of ANNs,
    /// and the fields that only the wire has.
    ///
    /// # Errors
    /// All mistakes found, by the keys of the file.
    pub fn check(&self) -> Result<(), SweepError> {
        let mut found = Found::default();
        let bytes = self.encoded_len();
        if bytes > SWEEP_BYTES_MAX {
            let problem = format!(
                "the sweep has {bytes} bytes; the limit is {SWEEP_BYTES_MAX}: submit it in parts, \
                 under several names"
            );
            found.add("name", quote(&self.name), problem);
            return found.result();
        }
        let file = self.file(&mut found);
        file.check_recordings_and_name(&mut found);
        self.check_entries(&mut found);
        file.check_protocol(&mut found);
        self.check_resolved(&mut found);
        found.result()
    }

    /// The equivalent file, without its ANNs.
    pub(super) fn file(&self, found: &mut Found) -> SweepFile {
        let files = self.files.clone().unwrap_or_default();
        let given = |file: String| Some(file).filter(|file| !file.is_empty());
        let levels = files.variations.iter().map(|&level| level.into());
        let axes = Some(files.axes).filter(|axes| !axes.is_empty());
        let levels = Some(levels.collect()).filter(|levels: &Vec<i64>| !levels.is_empty());
        SweepFile {
            name: self.name.clone(),
            preset: None,
            recordings: RecordingsTable {
                assembly: files.assembly,
                stimuli: given(files.stimuli),
                images: given(files.images),
                variations: levels,
                axes,
                variable: given(files.variable),
                window_ms: (!files.window_ms.is_empty()).then_some(files.window_ms),
                sites: match files.site_filter {
                    filter if !filter.is_empty() => Some(Sites::Filter(filter)),
                    _ => (!files.sites.is_empty()).then_some(Sites::Ranges(files.sites)),
                },
                // The preprocessing of its ANNs says it.
                degrees: None,
                ceiling: given(files.ceiling),
                time_bin: (!files.time_bin.is_empty()).then_some(files.time_bin),
                time_bin_id: files.time_bin_id.map(i64::from),
                time_bins: given(files.time_bins),
                region: given(files.region),
                subject: given(files.subject),
                subjects: given(files.subjects),
                regions: self.regions.clone(),
                train: files.train.map(|files| files_table(*files)),
                test: files.test.map(|files| files_table(*files)),
            },
            split: split(
                &self.split.clone().unwrap_or_default(),
                given(files.split),
                found,
            ),
            ann: Vec::new(),
            grid: GridTable::of_wire(&self.grid.clone().unwrap_or_default(), found),
            search: self.search(found),
            training: self.training(),
        }
    }

    fn search(&self, found: &mut Found) -> SearchTable {
        let mut search = SearchTable::default();
        if let Some(random) = &self.random {
            "random".clone_into(&mut search.strategy);
            search.trials = Some(whole("search.trials", random.trials, found));
            search.seed = Some(whole("search.seed", random.seed, found));
        }
        if let Some(stopping) = &self.early_stopping {
            "asha".clone_into(&mut search.early_stopping);
            search.min_epochs = Some(stopping.min_epochs.into());
            search.reduction = Some(stopping.reduction.into());
        }
        search
    }

    fn training(&self) -> TrainingTable {
        let TrainingSpec {
            batch_size,
            max_epochs,
            patience,
            inputs,
            targets,
            projection,
        } = self.training.clone().unwrap_or_default();
        TrainingTable {
            batch_size: batch_size.into(),
            max_epochs: max_epochs.into(),
            patience: patience.into(),
            inputs: Some(inputs),
            targets: Some(targets),
            projection,
            baselines: self.baselines.clone(),
        }
    }

    fn check_entries(&self, found: &mut Found) {
        if self.anns.is_empty() {
            found.add("ann", "[]", "is empty, so the grid has no cell");
        }
        found.count("ann", self.anns.len(), ANNS_MAX);
        let same = |entry: &AnnEntry| entry.ann.clone().unwrap_or_default().encode_to_vec();
        for index in repeated(self.anns.iter().map(same)) {
            found.add(format!("ann[{index}]"), "", DUPLICATE);
        }
        for (index, entry) in self.anns.iter().enumerate() {
            let key = |name: &str| format!("ann[{index}].{name}");
            let Some(ann) = &entry.ann else {
                found.add(format!("ann[{index}]"), "", "is missing");
                continue;
            };
            found.text(key("name"), &ann.name, TEXT_BYTES_MAX);
            check_weights(&key("weights"), &entry.weights, found);
            if !entry.weights_key.is_empty() {
                found.text(key("weights_key"), &entry.weights_key, TEXT_BYTES_MAX);
            }
            found.text(key("weights_digest"), &ann.weights_digest, TEXT_BYTES_MAX);
            if !ann.preprocessing.is_empty() {
                found.text(key("preprocessing"), &ann.preprocessing, TEXT_BYTES_MAX);
            }
            check_sparsity(&key("sparsity"), &[ann.sparsity], found);
            match ann.sparsity > 0.0 {
                true => found.word(key("pruning"), &ann.pruning, &PruningMethod::NAMES),
                false if !ann.pruning.is_empty() => {
                    let problem = "nothing is pruned at sparsity 0; leave it out";
                    found.add(key("pruning"), quote(&ann.pruning), problem);
                }
                false => {}
            }
            if let Some(reached) = entry.reached_sparsity
                && !(0.0..=1.0).contains(&reached)
            {
                found.add(key("reached_sparsity"), reached, "must be 0 to 1");
            }
            self.check_layer_sets(&key("layer_sets"), entry, found);
        }
    }

    /// Checks layer sets. Sets of different regions may be equal.
    fn check_layer_sets(&self, key: &str, entry: &AnnEntry, found: &mut Found) {
        let sets = entry.layer_sets.iter();
        let of_all: Vec<_> = sets
            .clone()
            .filter(|set| set.region.is_empty())
            .map(|set| set.layers.clone())
            .collect();
        if !of_all.is_empty() || entry.layer_sets.is_empty() {
            check_sets(key, &of_all, found);
        }
        for (index, set) in sets.enumerate().filter(|(_, set)| !set.region.is_empty()) {
            let key = format!("{key}[{index}]");
            check_sets(&key, std::slice::from_ref(&set.layers), found);
            if !self.regions.contains(&set.region) {
                let problem = "is for a region that the sweep does not have";
                found.add(key, quote(&set.region), problem);
            }
        }
    }

    /// Checks the fields that the client reads from the files.
    fn check_resolved(&self, found: &mut Found) {
        if !self.data_dir.is_empty() {
            found.text("data_dir", &self.data_dir, PATH_BYTES_MAX);
        }
        let digest = &self.recordings_digest;
        found.text("recordings_digest", digest, TEXT_BYTES_MAX);
        let assembly = self.files.clone().unwrap_or_default().assembly;
        let is_simulated = Assembly::named(&assembly, false) == Assembly::Simulated;
        if self.simulated != is_simulated {
            let problem = format!("`recordings.assembly` is {}", quote(&assembly));
            found.add("simulated", self.simulated, problem);
        }
        let named = self.duplicates.iter().flat_map(|of| &of.named);
        for (index, named) in named.enumerate() {
            let key = format!("duplicates.named[{index}]");
            found.text(key, named, PATH_BYTES_MAX);
        }
        for index in repeated(self.sites.iter().map(|sites| &sites.region)) {
            found.add(format!("sites[{index}]"), "", DUPLICATE);
        }
        for (index, sites) in self.sites.iter().enumerate() {
            self.check_sites(&format!("sites[{index}]"), sites, found);
        }
    }

    fn check_sites(&self, key: &str, sites: &RegionSites, found: &mut Found) {
        if !self.regions.contains(&sites.region) {
            let problem = "is a region that the sweep does not have";
            found.add(format!("{key}.region"), quote(&sites.region), problem);
        }
        if !found.count(format!("{key}.names"), sites.names.len(), SITES_MAX) {
            return;
        }
        for (field, text) in [
            ("part_of", &sites.part_of),
            ("subject", &sites.subject),
            ("bin_of", &sites.bin_of),
            ("bin_unit", &sites.bin_unit),
        ] {
            if !text.is_empty() {
                found.text(format!("{key}.{field}"), text, TEXT_BYTES_MAX);
            }
        }
        if sites.part_of.is_empty() != sites.subject.is_empty() {
            let problem = "a region of one subject is a part of another region";
            found.add(format!("{key}.subject"), quote(&sites.subject), problem);
        }
        let of_all = [
            ("ceiling_of_all", sites.ceiling_of_all),
            ("ceiling_of_all_error", sites.ceiling_of_all_error),
        ];
        for (field, value) in of_all {
            if let Some(value) = value
                && (!value.is_finite() || value > 1.0 + f64::from(CEILING_SLACK))
            {
                let problem = "a noise ceiling and its error are at most 1";
                found.add(format!("{key}.{field}"), value, problem);
            }
        }
        let is_bin = matches!(sites.bin[..], [start, end] if start.is_finite() && end.is_finite());
        if is_bin == sites.bin_of.is_empty() || (!is_bin && !sites.bin.is_empty()) {
            let problem =
                "a region of one time bin says where it starts and ends, and of what region it is";
            found.add(format!("{key}.bin"), format!("{:?}", sites.bin), problem);
        }
        // Some sites have no names.
        let named = sites.names.iter().enumerate();
        for (index, name) in named.filter(|(_, name)| !name.is_empty()) {
            found.text(format!("{key}.names[{index}]"), name, TEXT_BYTES_MAX);
        }
        let (names, ceilings) = (sites.names.len(), sites.ceilings.len());
        if ceilings != 0 && ceilings != names {
            let problem = format!("are {ceilings}, of {names} sites");
            found.add(format!("{key}.ceilings"), "", problem);
        }
        for (index, ceiling) in sites.ceilings.iter().enumerate() {
            if *ceiling > 1.0 + CEILING_SLACK || ceiling.is_infinite() {
                let problem = "a noise ceiling is at most 1";
                found.add(format!("{key}.ceilings[{index}]"), ceiling, problem);
            }
        }
    }
}

fn files_table(files: RecordingsFiles) -> FilesTable {
    FilesTable {
        assembly: files.assembly,
        stimuli: files.stimuli,
        images: files.images,
        variable: Some(files.variable).filter(|variable| !variable.is_empty()),
        axes: Some(files.axes).filter(|axes| !axes.is_empty()),
    }
}

fn split(split: &SplitSpec, file: Option<String>, found: &mut Found) -> SplitTable {
    if split.number != 0 {
        let problem = "the coordinator numbers the splits itself";
        found.add("split.number", split.number, problem);
    }
    let fractions = [split.train, split.validation, split.test];
    let is_listed = split.scheme == Scheme::File.name();
    let is_brain_score = split.scheme == Scheme::BrainScore.name();
    let is_given = split.scheme == Scheme::Given.name();
    // What the client fills in where none are written.
    let are_implied = (is_listed || is_given) && fractions == [0.0; 3]
        || is_brain_score && fractions == Scheme::BRAIN_SCORE_FRACTIONS;
    check_listed(split, is_listed, found);
    SplitTable {
        scheme: split.scheme.clone(),
        fractions: (!are_implied).then(|| fractions.to_vec()),
        file,
        order: (!split.order.is_empty()).then(|| split.order.clone()),
        stratify: Some(split.stratify.clone()),
        duplicates: match split.duplicates.as_str() {
            "" => Duplicates::Together.name().to_owned(),
            word => word.to_owned(),
        },
        seed: whole("split.seed", split.seed, found),
    }
}

/// Checks what the client reads from the file that lists the splits. It is empty before.
fn check_listed(split: &SplitSpec, is_listed: bool, found: &mut Found) {
    if !split.digest.is_empty() {
        found.text("split.digest", &split.digest, TEXT_BYTES_MAX);
    }
    if split.splits > Scheme::FILE_SPLITS_MAX {
        let problem = format!("the limit is {}", Scheme::FILE_SPLITS_MAX);
        found.add("split.splits", split.splits, problem);
    }
    if !is_listed && (!split.digest.is_empty() || split.splits != 0) {
        let problem = "only a file that lists the splits has a digest and a number of them";
        found.add("split.splits", split.splits, problem);
    }
}

/// A number as files have it. A number that no file can have is a mistake.
fn whole(key: &str, number: u64, found: &mut Found) -> i64 {
    i64::try_from(number).unwrap_or_else(|_| {
        found.add(key, number, format!("must be 0 to {}", i64::MAX));
        0
    })
}
