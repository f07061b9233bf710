//! What is wrong with `[recordings]`: which files a format needs, and which it brings.

use super::ann::check_degrees;
use super::{DUPLICATE, Found, REGIONS_MAX, TEXT_BYTES_MAX, backticked, quote, repeated};
use crate::near_miss;
use crate::sweep::{ArrayAxis, Assembly, Ceiling, ResponseFormat, SiteRanges, SweepFile};

impl SweepFile {
    pub(super) fn check_recordings(&self, found: &mut Found) {
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
        self.check_regions(found);
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
        if let Some(axes) = &recordings.axes {
            let key = "recordings.axes";
            let format = ResponseFormat::of(&recordings.assembly);
            if !format.is_some_and(ResponseFormat::has_axes) {
                let problem = "only arrays of NumPy and MATLAB have axes to be named; leave it out";
                found.add(key, format!("{axes:?}"), problem);
            } else if let Err(error) = ArrayAxis::of_array(axes) {
                found.add(key, format!("{axes:?}"), error.to_string());
            }
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
        let format = ResponseFormat::of(&recordings.assembly);
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
        if !format.is_some_and(ResponseFormat::has_axes) {
            let problem = "only arrays need it; leave it out";
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
