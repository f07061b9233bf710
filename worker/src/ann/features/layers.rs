//! What a file of activations lists: its layers, the ids of its stimuli, and what it has besides.

/// A layer of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    /// Its name.
    pub(super) name: String,
    /// How many stimuli it has.
    pub(super) rows: usize,
    /// The shape of one stimulus's activations.
    pub(super) shape: Vec<usize>,
    /// Its place among the file's arrays.
    pub(super) at: usize,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The layers, in the order of the file.
    pub(super) layers: Vec<Layer>,
    /// The stimulus of each row; where there are none, rows belong to the lines of the stimulus set.
    pub(super) ids: Option<Vec<String>>,
    /// Other lists as long as a layer has rows, by their names: one may turn out to hold the stimuli's ids.
    pub(super) lists: Vec<List>,
    /// What is not a layer, and why.
    pub(super) left_out: Vec<(String, String)>,
}

/// A list beside the layers.
#[derive(Debug)]
pub(super) struct List {
    /// Its name.
    pub(super) name: String,
    /// Its entries; numbers as they are written.
    pub(super) words: Vec<String>,
    /// Whether they are numbers, which may count something.
    pub(super) is_numbers: bool,
}

impl Layer {
    /// How many activations a stimulus has.
    pub(super) fn units(&self) -> usize {
        self.shape
            .iter()
            .fold(1, |units, length| units.saturating_mul(*length))
    }

    /// Bytes of all its activations, at so many bytes each.
    pub(super) fn bytes(&self, of_each: usize) -> u64 {
        let units = self.units() as u64;
        units
            .saturating_mul(self.rows as u64)
            .saturating_mul(of_each as u64)
    }
}

impl Listed {
    /// Notes that `name` is not a layer.
    pub(super) fn leave_out(&mut self, name: &str, why: &str) {
        self.left_out.push((name.to_owned(), why.to_owned()));
    }

    /// Leaves out the layers that have another number of stimuli than there are ids.
    pub(super) fn leave_out_unlike(&mut self) {
        let Some(ids) = self.ids.as_ref().map(Vec::len) else {
            return;
        };
        let left_out = &mut self.left_out;
        self.layers.retain(|layer| {
            let fits = layer.rows == ids;
            if !fits {
                let why = format!("it has {} rows, and there are {ids} ids", layer.rows);
                left_out.push((layer.name.clone(), why));
            }
            fits
        });
    }
}
