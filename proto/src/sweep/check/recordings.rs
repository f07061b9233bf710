//! What is wrong with `[recordings]`: which files a format needs, and which it brings.

use super::ann::check_degrees;
use super::{DUPLICATE, Found, REGIONS_MAX, TEXT_BYTES_MAX, backticked, quote, repeated};
use crate::near_miss;
use crate::sweep::{
    ArrayAxis, Assembly, Ceiling, FilesTable, ResponseFormat, Scheme, SiteFilter, SiteRanges,
    Sites, Subjects, SweepFile,
};

/// What `time_bins` may be.
const EACH: &str = "each";

impl SweepFile {
    pub(super) fn check_recordings(&self, found: &mut Found) {
        let recordings = &self.recordings;
        if recordings.train.is_none() && recordings.test.is_none() {
            self.check_files(found);
        }
        self.check_given(found);
        if let Some(degrees) = recordings.degrees {
            let key = "recordings.degrees";
            check_degrees(key, degrees, found);
            if self.ann.iter().all(|ann| ann.degrees.is_none()) {
                let problem =
                    "changes nothing until an `[[ann]]` has `degrees` too: those that it sees";
                found.add(key, degrees, problem);
            }
        }
        self.check_presentations(found);
        self.check_window_and_sites(found);
        self.check_ceiling(found);
        self.check_bins(found);
        self.check_region(found);
        self.check_subjects(found);
        self.check_regions(found);
    }

    /// What is wrong with the tables of the recordings that train and of those that test.
    fn check_given(&self, found: &mut Found) {
        let recordings = &self.recordings;
        let is_given = self.split.scheme == Scheme::Given.name();
        let tables = [
            ("recordings.train", &recordings.train),
            ("recordings.test", &recordings.test),
        ];
        if !is_given && tables.iter().all(|(_, table)| table.is_none()) {
            return;
        }
        if !is_given {
            let problem = "must be \"given\", as `[recordings.train]` and `[recordings.test]` say which stimuli \
                           train and test";
            found.add("split.scheme", quote(&self.split.scheme), problem);
        }
        for (key, table) in tables {
            match table {
                Some(table) => check_table(key, table, found),
                None => {
                    let problem = "is missing: `scheme = \"given\"` needs `[recordings.train]` and \
                                   `[recordings.test]`, each with `assembly`, `stimuli` and `images`";
                    found.add(key, "", problem);
                }
            }
        }
        let above = [
            ("assembly", Some(&recordings.assembly)),
            ("stimuli", recordings.stimuli.as_ref()),
            ("images", recordings.images.as_ref()),
            ("variable", recordings.variable.as_ref()),
        ];
        let mut above: Vec<(&str, String)> = above
            .into_iter()
            .filter_map(|(key, file)| {
                Some((key, quote(file.filter(|of| !of.is_empty())?).to_string()))
            })
            .collect();
        above.extend(
            recordings
                .axes
                .as_ref()
                .map(|axes| ("axes", format!("{axes:?}"))),
        );
        for (key, value) in above {
            let problem = "of `scheme = \"given\"`, each of `[recordings.train]` and `[recordings.test]` has its \
                           own; leave it out here";
            found.add(format!("recordings.{key}"), value, problem);
        }
    }

    /// What is wrong with the names of one set of recordings.
    fn check_files(&self, found: &mut Found) {
        let recordings = &self.recordings;
        let files = [
            ("stimuli", &recordings.stimuli),
            ("images", &recordings.images),
        ];
        for (key, file) in files {
            let key = format!("recordings.{key}");
            match (recordings.assembly(), file) {
                (Assembly::Simulated, Some(file)) => {
                    found.add(
                        key,
                        quote(file),
                        "the simulated set brings its own; leave it out",
                    );
                }
                (Assembly::Ventral(_), Some(file)) => {
                    let problem = "a file laid out as `ventral_neural_data.hdf5` brings its own: leave it \
                                   out; an assembly of this name needs `stimuli` too";
                    found.add(key, quote(file), problem);
                }
                (Assembly::File(_), None) => found.add(key, "", "is missing: name a file"),
                (Assembly::File(_), Some(file)) if file.is_empty() => {
                    found.add(key, quote(file), "names no file");
                }
                (Assembly::File(_), Some(file)) => found.path(key, file),
                (Assembly::Simulated | Assembly::Ventral(_), None) => {}
            }
        }
        if let Assembly::File(file) | Assembly::Ventral(file) = recordings.assembly() {
            found.path("recordings.assembly", file);
        }
        if let Assembly::File(file) = recordings.assembly()
            && ResponseFormat::of(file).is_none()
        {
            let advice = ResponseFormat::advice(file);
            found.add_near(
                "recordings.assembly",
                quote(file),
                format!("must be \"simulated\" or a file of responses; {advice}"),
                near_miss(file, ["simulated"]),
            );
        }
    }

    fn check_ceiling(&self, found: &mut Found) {
        let Some(word) = &self.recordings.ceiling else {
            return;
        };
        let key = "recordings.ceiling";
        match self.recordings.assembly() {
            Assembly::File(_) if word.parse::<Ceiling>().is_err() || word.is_empty() => {
                let words = backticked(&Ceiling::NAMES);
                let problem = format!(
                    "must be one of {words}; leave it out for all halvings of the repetitions"
                );
                found.add_near(key, quote(word), problem, near_miss(word, Ceiling::NAMES));
            }
            Assembly::File(_) => found.text(key, word, TEXT_BYTES_MAX),
            Assembly::Ventral(_) | Assembly::Simulated => {
                let problem =
                    "only an assembly, an array or an NWB file has a choice; leave it out";
                found.add(key, quote(word), problem);
            }
        }
    }

    /// What is wrong with `variations`, `axes` and `variable`, which say how a file's responses are laid out.
    fn check_presentations(&self, found: &mut Found) {
        let recordings = &self.recordings;
        if let Some(levels) = &recordings.variations {
            let key = "recordings.variations";
            match recordings.assembly() {
                Assembly::Ventral(_) => {
                    let level = |level| (0..=i64::from(u8::MAX)).contains(&level);
                    found.axis(key, levels, level, "a variation level is 0 to 255");
                }
                Assembly::File(_) | Assembly::Simulated => {
                    let problem = "only a file laid out as `ventral_neural_data.hdf5` has variation levels; leave it out";
                    found.add(key, format!("{levels:?}"), problem);
                }
            }
        }
        if recordings.train.is_none()
            && let Some(axes) = &recordings.axes
        {
            check_axes("recordings", &recordings.assembly, axes, found);
        }
        if let Some(variable) = &recordings.variable {
            let key = "recordings.variable";
            match recordings.assembly() {
                Assembly::File(_) => found.text(key.to_owned(), variable, TEXT_BYTES_MAX),
                Assembly::Ventral(_) | Assembly::Simulated => {
                    let problem = "only a file with several variables needs it; leave it out";
                    found.add(key, quote(variable), problem);
                }
            }
        }
    }

    /// What is wrong with `window_ms` and `sites`.
    fn check_window_and_sites(&self, found: &mut Found) {
        let recordings = &self.recordings;
        let format = ResponseFormat::of(recordings.file());
        if let Some(window) = &recordings.window_ms {
            let (key, value) = ("recordings.window_ms", format!("{window:?}"));
            match window[..] {
                _ if !format.is_some_and(ResponseFormat::has_spikes) => {
                    found.add(
                        key,
                        value,
                        "only NWB files have spikes to count; leave it out",
                    );
                }
                [from, to] if from < to => {}
                _ => {
                    let problem = "must be where the window starts and ends, in milliseconds after a \
                                   trial's start, such as [70, 170]";
                    found.add(key, value, problem);
                }
            }
        }
        let Some(sites) = &recordings.sites else {
            return;
        };
        let sites = match sites {
            Sites::Filter(filter) => return self.check_filter(filter, found),
            Sites::Ranges(ranges) => ranges,
        };
        if !format.is_some_and(ResponseFormat::has_axes) {
            let problem = "only arrays need a list of sites; leave it out, or write a filter, such as \
                           \"reliability > 0.3\"";
            found.add("recordings.sites", format!("{sites:?}"), problem);
            return;
        }
        found.count("recordings.sites", sites.len(), REGIONS_MAX);
        for (index, text) in sites.iter().enumerate() {
            let key = format!("recordings.sites[{index}]");
            found.text(key.clone(), text, TEXT_BYTES_MAX);
            if let Err(error) = SiteRanges::parse(text) {
                found.add(key, quote(text), error.to_string());
            }
        }
    }

    /// What is wrong with a filter of sites.
    fn check_filter(&self, filter: &str, found: &mut Found) {
        let key = "recordings.sites";
        let format = ResponseFormat::of(self.recordings.file());
        if !self.is_assembly() && !format.is_some_and(ResponseFormat::describes_sites) {
            let problem = "only assemblies and NWB files say what a filter of sites could choose by; leave it \
                           out";
            found.add(key, quote(filter), problem);
            return;
        }
        found.text(key, filter, TEXT_BYTES_MAX);
        if let Err(error) = filter.parse::<SiteFilter>() {
            found.add(key, quote(filter), error.to_string());
        }
    }

    /// What is wrong with `time_bin`, `time_bin_id` and `time_bins`, of which one at most is given.
    fn check_bins(&self, found: &mut Found) {
        let recordings = &self.recordings;
        // Where a preset sets a window, an empty list says that there is none.
        let window = recordings.time_bin.as_ref().filter(|of| !of.is_empty());
        let window = window.map(|window| ("time_bin", format!("{window:?}")));
        let id = recordings
            .time_bin_id
            .map(|id| ("time_bin_id", id.to_string()));
        let each = recordings.time_bins.as_ref();
        let each = each.map(|each| ("time_bins", quote(each).to_string()));
        let given: Vec<(&str, String)> = [window, id, each].into_iter().flatten().collect();
        for (key, value) in &given {
            if !self.is_assembly() {
                let problem = "only Brain-Score assemblies have time bins; leave it out";
                found.add(format!("recordings.{key}"), value, problem);
            }
        }
        if let [(first, _), (second, value), ..] = &given[..] {
            let problem =
                format!("is one way to choose time bins, and `{first}` is another: keep one");
            found.add(format!("recordings.{second}"), value, problem);
        }
        if let Some(window) = recordings.time_bin.as_ref().filter(|of| !of.is_empty()) {
            let is_window =
                matches!(window[..], [from, to] if from < to && from.is_finite() && to.is_finite());
            if !is_window {
                let problem = "must be where the window starts and ends, in the unit of the file's time \
                               bins, such as [70, 170]";
                found.add("recordings.time_bin", format!("{window:?}"), problem);
            }
        }
        if let Some(id) = recordings.time_bin_id
            && u32::try_from(id).is_err()
        {
            let problem = "must be a bin's `time_bin_id`, or its position counted from 0";
            found.add("recordings.time_bin_id", id, problem);
        }
        if let Some(word) = &recordings.time_bins
            && word != EACH
        {
            let problem = "must be \"each\", which makes every time bin a region";
            let near = near_miss(word, [EACH]);
            found.add_near("recordings.time_bins", quote(word), problem, near);
        }
    }

    /// Whether the responses are in an assembly, as far as names tell: one may be called `.h5`.
    fn is_assembly(&self) -> bool {
        let format = ResponseFormat::of(self.recordings.file());
        matches!(self.recordings.assembly(), Assembly::File(_))
            && format.is_some_and(|format| format.has_time_bins() || format.brings_stimuli())
    }

    /// What is wrong with `region`.
    fn check_region(&self, found: &mut Found) {
        let Some(region) = &self.recordings.region else {
            return;
        };
        let key = "recordings.region";
        let format = ResponseFormat::of(self.recordings.file());
        if self.is_assembly() || format.is_some_and(|format| !format.names_regions()) {
            found.text(key.to_owned(), region, TEXT_BYTES_MAX);
            if region.trim().is_empty() {
                found.add(key, quote(region), "names no region");
            }
        } else {
            let problem = "is for assemblies and NWB files that do not say where their sites are; `regions` \
                           chooses among those of a file";
            found.add(key, quote(region), problem);
        }
    }

    /// What is wrong with `subject` and `subjects`.
    fn check_subjects(&self, found: &mut Found) {
        let recordings = &self.recordings;
        let given = [
            ("recordings.subject", &recordings.subject),
            ("recordings.subjects", &recordings.subjects),
        ];
        for (key, word) in given {
            if let Some(word) = word
                && !self.is_assembly()
            {
                let problem =
                    "only Brain-Score assemblies say which subject a site belongs to; leave it out";
                found.add(key, quote(word), problem);
            }
        }
        if let Some(subject) = &recordings.subject {
            found.text("recordings.subject", subject, TEXT_BYTES_MAX);
        }
        let Some(word) = &recordings.subjects else {
            return;
        };
        found.word("recordings.subjects", word, &Subjects::NAMES);
        if recordings.subject.is_some() && word == Subjects::Each.name() {
            let problem =
                "each subject is a region of its own, and `subject` chooses one: keep one";
            found.add("recordings.subjects", quote(word), problem);
        }
    }

    fn check_regions(&self, found: &mut Found) {
        let recordings = &self.recordings;
        if recordings.regions.is_empty() {
            found.add(
                "recordings.regions",
                "[]",
                "is empty, so there is nothing to predict",
            );
        }
        found.count("recordings.regions", recordings.regions.len(), REGIONS_MAX);
        for (index, region) in recordings.regions.iter().enumerate() {
            let key = format!("recordings.regions[{index}]");
            found.text(key, region, TEXT_BYTES_MAX);
        }
        for index in repeated(&recordings.regions) {
            let key = format!("recordings.regions[{index}]");
            found.add(key, quote(&recordings.regions[index]), DUPLICATE);
        }
    }
}

/// What is wrong with the files that train, or those that test.
fn check_table(key: &str, table: &FilesTable, found: &mut Found) {
    let FilesTable {
        assembly,
        stimuli,
        images,
        variable,
        axes,
    } = table;
    for (name, file) in [
        ("assembly", assembly),
        ("stimuli", stimuli),
        ("images", images),
    ] {
        let key = format!("{key}.{name}");
        if file.is_empty() {
            found.add(key, quote(file), "names no file");
        } else {
            found.path(key, file);
        }
    }
    if ResponseFormat::of(assembly).is_none() && !assembly.is_empty() {
        let advice = ResponseFormat::advice(assembly);
        let problem = format!("must be a file of responses; {advice}");
        found.add(format!("{key}.assembly"), quote(assembly), problem);
    }
    if let Some(variable) = variable {
        found.text(format!("{key}.variable"), variable, TEXT_BYTES_MAX);
    }
    if let Some(axes) = axes {
        check_axes(key, assembly, axes, found);
    }
}

fn check_axes(table: &str, assembly: &str, axes: &[String], found: &mut Found) {
    let key = format!("{table}.axes");
    let format = ResponseFormat::of(assembly);
    if !format.is_some_and(ResponseFormat::has_axes) {
        let problem = "only arrays of NumPy and MATLAB have axes to be named; leave it out";
        found.add(key, format!("{axes:?}"), problem);
    } else if let Err(error) = ArrayAxis::of_array(axes) {
        found.add(key, format!("{axes:?}"), error.to_string());
    }
}
