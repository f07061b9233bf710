//! From the sweep file to the sweep on the wire.

use super::file::{FRACTIONS, STRATIFY};
use super::{
    AnnTable, Assembly, DEFAULT_PREPROCESSING, DEGREES_OF, Duplicates, FilesTable, LayerSets, ONNX,
    PILLOW_12, Pruning, PruningMethod, SCREEN, Scheme, Sites, SweepFile,
};
use crate::wire::{
    AnnEntry, AnnSpec, LayerSet, RecordingsFiles, SplitSpec, SweepSpec, TrainingSpec,
};

impl SweepFile {
    /// The sweep on the wire, but for what only the files can tell: digests, preprocessing and the
    /// data directory, which the caller fills in. The file must have passed [`SweepFile::expand`] and
    /// [`SweepFile::check`].
    pub fn to_spec(&self) -> SweepSpec {
        let split = &self.split;
        let fixed = [Scheme::File.name(), Scheme::Given.name()];
        let is_listed = fixed.contains(&split.scheme.as_str());
        let [train, validation, test] = if is_listed {
            [0.0; 3]
        } else {
            let fractions = split.fractions.as_deref().unwrap_or(&FRACTIONS);
            [0, 1, 2].map(|part| fractions[part])
        };
        let stratify = split.stratify.as_deref();
        let stratify = stratify.unwrap_or(if is_listed { "" } else { STRATIFY });
        let training = &self.training;
        SweepSpec {
            name: self.name.clone(),
            files: Some(RecordingsFiles {
                assembly: self.recordings.assembly.clone(),
                stimuli: self.recordings.stimuli.clone().unwrap_or_default(),
                images: self.recordings.images.clone().unwrap_or_default(),
                variations: self.recordings.variations(),
                axes: self.recordings.axes.clone().unwrap_or_default(),
                variable: self.recordings.variable.clone().unwrap_or_default(),
                window_ms: self.recordings.window_ms.clone().unwrap_or_default(),
                sites: match &self.recordings.sites {
                    Some(Sites::Ranges(ranges)) => ranges.clone(),
                    Some(Sites::Filter(_)) | None => Vec::new(),
                },
                split: split.file.clone().unwrap_or_default(),
                ceiling: self.ceiling(),
                time_bin: self.recordings.time_bin.clone().unwrap_or_default(),
                time_bin_id: self.recordings.time_bin_id.map(|id| id as u32),
                time_bins: self.recordings.time_bins.clone().unwrap_or_default(),
                region: self.recordings.region.clone().unwrap_or_default(),
                subject: self.recordings.subject.clone().unwrap_or_default(),
                subjects: self.recordings.subjects.clone().unwrap_or_default(),
                site_filter: match &self.recordings.sites {
                    Some(Sites::Filter(filter)) => filter.clone(),
                    Some(Sites::Ranges(_)) | None => String::new(),
                },
                train: self.recordings.train.as_ref().map(files),
                test: self.recordings.test.as_ref().map(files),
            }),
            recordings_digest: String::new(),
            regions: self.recordings.regions.clone(),
            simulated: self.recordings.assembly() == Assembly::Simulated,
            data_dir: String::new(),
            split: Some(SplitSpec {
                scheme: split.scheme.clone(),
                train,
                validation,
                test,
                stratify: stratify.to_owned(),
                seed: split.seed as u64,
                number: 0,
                // "together" is for the caller to say, who knows whether there are any.
                duplicates: match split.duplicates.as_str() {
                    word if word == Duplicates::Together.name() => String::new(),
                    word => word.to_owned(),
                },
                order: split.order.clone().unwrap_or_default(),
                // What the file says is for the caller to say, who reads it.
                digest: String::new(),
                splits: 0,
            }),
            anns: self
                .ann
                .iter()
                .flat_map(|ann| ann_entries(ann, self.recordings.degrees))
                .collect(),
            grid: Some(self.grid.to_wire()),
            training: Some(TrainingSpec {
                batch_size: training.batch_size as u32,
                max_epochs: training.max_epochs as u32,
                patience: training.patience as u32,
                inputs: self.inputs(),
                targets: self.targets(),
                projection: training.projection.clone(),
            }),
            baselines: training.baselines.clone(),
            random: self.search.random(),
            early_stopping: self.search.early_stopping(),
            sites: Vec::new(),
            duplicates: None,
        }
    }
}

/// What one of two files of responses has for itself.
fn files(table: &FilesTable) -> Box<RecordingsFiles> {
    let FilesTable {
        assembly,
        stimuli,
        images,
        variable,
        axes,
    } = table;
    Box::new(RecordingsFiles {
        assembly: assembly.clone(),
        stimuli: stimuli.clone(),
        images: images.clone(),
        variable: variable.clone().unwrap_or_default(),
        axes: axes.clone().unwrap_or_default(),
        ..RecordingsFiles::default()
    })
}

/// How an ANN's images, all of so many `degrees` if that is said, are preprocessed, where that is not the
/// default.
fn preprocessing(table: &AnnTable, degrees: Option<f64>) -> String {
    let resize = (table.resize.as_deref() == Some(PILLOW_12)).then(|| PILLOW_12.to_owned());
    let of = degrees.map_or_else(String::new, |of| format!(" {DEGREES_OF} {of}"));
    let screen = table.degrees.map(|seen| format!("{SCREEN} {seen}{of}"));
    let words: Vec<String> = resize.into_iter().chain(screen).collect();
    // The mode comes first, so it is said where other words follow.
    let default = (table.name == ONNX && !words.is_empty()).then_some(DEFAULT_PREPROCESSING);
    let mode = table.preprocessing.as_deref().or(default);
    let mode = mode.map(str::to_owned);
    mode.into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// One entry for each sparsity of an ANN. All images have so many `degrees`, if that is said.
fn ann_entries(table: &AnnTable, degrees: Option<f64>) -> impl Iterator<Item = AnnEntry> + '_ {
    let pruning = match &table.pruning {
        None => PruningMethod::Layer.name(),
        Some(Pruning::Rule(rule)) => rule,
        Some(Pruning::Checkpoints(_)) => PruningMethod::Checkpoint.name(),
    };
    let checkpoint = |sparsity| table.pruning.as_ref()?.checkpoint(sparsity);
    table.sparsity.iter().map(move |&sparsity| AnnEntry {
        ann: Some(AnnSpec {
            name: table.name.clone(),
            weights_digest: String::new(),
            // The words of the file, until the caller puts its id there.
            preprocessing: preprocessing(table, degrees),
            sparsity,
            pruning: if sparsity > 0.0 {
                pruning.to_owned()
            } else {
                String::new()
            },
        }),
        reached_sparsity: None,
        weights_key: table.weights_key.clone().unwrap_or_default(),
        weights: checkpoint(sparsity).unwrap_or(&table.weights).to_owned(),
        layer_sets: match &table.layer_sets {
            LayerSets::Shorthand(_) | LayerSets::RegionMap(_) | LayerSets::LeftOut => Vec::new(),
            LayerSets::Listed(sets) => {
                let set = |layers: &Vec<String>| LayerSet {
                    layers: layers.clone(),
                    region: String::new(),
                };
                sets.iter().map(set).collect()
            }
            LayerSets::ByRegion(sets) => {
                let set = |(region, layers): &(String, Vec<String>)| LayerSet {
                    layers: layers.clone(),
                    region: region.clone(),
                };
                sets.iter().map(set).collect()
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_degrees_that_an_ann_sees_are_words_of_its_preprocessing() {
        let words = |recordings: &str, ann: &str| {
            let text = format!(
                "name = \"a\"\n[recordings]\nassembly = \"r.nc\"\nstimuli = \"s.csv\"\nimages = \"i\"\n\
                 {recordings}\n[[ann]]\nweights = \"w\"\nlayer_sets = [[\"l\"]]\n{ann}"
            );
            let spec = SweepFile::parse(&text).expect("parses").to_spec();
            let ann = spec.anns[0].ann.clone().unwrap_or_default();
            ann.preprocessing
        };
        let mobilenet = "name = \"mobilenet\"";
        let onnx = "name = \"onnx\"";
        assert_eq!(words("", mobilenet), "");
        assert_eq!(words("degrees = 11.2", mobilenet), "");
        let sees = |ann: &str| format!("{ann}\ndegrees = 8");
        assert_eq!(words("", &sees(mobilenet)), "screen 8");
        assert_eq!(
            words("degrees = 11.2", &sees(mobilenet)),
            "screen 8 of 11.2"
        );
        assert_eq!(words("", &sees(onnx)), "torch screen 8");
        let old = format!(
            "{}\nresize = \"pillow-12\"\npreprocessing = \"tf\"",
            sees(onnx)
        );
        assert_eq!(words("", &old), "tf pillow-12 screen 8");
    }
}
