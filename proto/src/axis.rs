//! Axes: what trials are told apart by. This table is the only list of axes: their names, headers and
//! kinds, where a trial has each, and, of the grid's, how sweep files and the wire have them. Sweep
//! files, grids, filters, marginals, tables and exports iterate over it. Pure.
//!
//! CONTRIBUTING.md shows how to add an axis.

mod condition;
mod place;
mod values;

pub use condition::{AxisError, Condition};
pub use place::Place;
pub use values::Values;

use crate::score;
use crate::sweep::LinearPath;
use crate::wire::{AnnSpec, Grid, Scores, TrialRecord, TrialSpec};
use crate::word::word_enum;
use serde::{Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt::{self, Display};

word_enum! {
    /// What a trial can be told apart by: an axis of the grid, or the size of its network.
    pub enum Axis: "axis" {
        /// The ANN's name.
        Ann = "ann",
        /// The region.
        Region = "region",
        /// What predicts the responses: `nrp`, or a linear baseline.
        Model = "model",
        /// The layer set, joined with `+`.
        Layers = "layers",
        /// Units of NRP-L1.
        L1 = "l1",
        /// Units of NRP-L2.
        L2 = "l2",
        /// Intermediate layers.
        Depth = "depth",
        /// The learning rate.
        LearningRate = "learning_rate",
        /// The weight decay.
        WeightDecay = "weight_decay",
        /// The dropout.
        Dropout = "dropout",
        /// The ANN's fraction of zero weights.
        Sparsity = "sparsity",
        /// What activations are projected onto: `none`, `row-space` or `pca:K`.
        Projection = "projection",
        /// What predicts beside the network: `none` or `ridge`.
        LinearPath = "linear_path",
        /// Networks whose predictions are averaged.
        Ensemble = "ensemble",
        /// Which of the splits of its scheme, from 0.
        Split = "split",
        /// The seed.
        Seed = "seed",
        /// Free parameters of the NRP network or baseline; of finished trials only.
        Parameters = "parameters",
    }
}

/// The kind of value that an axis has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name.
    Word,
    /// A whole number from 0.
    Whole,
    /// A finite number.
    Real,
}

/// A trial's place on an axis. Values of one axis are of one kind, and ordered.
#[derive(Debug, Clone)]
pub enum Value {
    /// A name.
    Word(String),
    /// A whole number.
    Whole(u64),
    /// A number, finite.
    Real(f64),
}

/// What there is to know of an axis.
#[derive(Clone, Copy)]
struct Row {
    /// The header of its column in tables.
    label: &'static str,
    kind: Kind,
    /// Whether linear baselines have no place on the axis, whatever their specification says.
    of_networks: bool,
    get: fn(&TrialSpec, Option<&Scores>) -> Option<Value>,
    /// Absent of an axis that is not searched by the grid.
    grid: Option<GridAxis>,
}

/// An axis of the grid: how sweep files and the wire list its values, and how a trial gets one.
#[derive(Clone, Copy)]
pub(crate) struct GridAxis {
    /// How lists of its values are headed.
    pub(crate) plural: &'static str,
    /// Networks of fewer intermediate layers have no place on the axis.
    pub(crate) from_depth: u32,
    /// Whether the default is left out on the wire, since there was no choice at first: so ids of
    /// sweeps and trials are what they were.
    pub(crate) is_optional: bool,
    /// The values of a sweep file that says nothing.
    pub(crate) default: fn() -> Values,
    pub(crate) rule: Rule,
    /// What a value that breaks the rule is told.
    pub(crate) rule_words: &'static str,
    /// The values that a sweep on the wire tries.
    pub(crate) of: fn(&Grid) -> Values,
    /// Puts values into a sweep on the wire.
    pub(crate) put: fn(&mut Grid, &Values),
    /// Gives a trial one of the values, by its index.
    pub(crate) set: fn(&mut TrialSpec, &Values, usize),
}

/// Which values an axis of the grid may have.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Whole numbers from the first to the second.
    Whole(i64, i64),
    /// Finite numbers above 0.
    Positive,
    /// Finite numbers from 0.
    NotNegative,
    /// Numbers from 0 and below 1.
    Fraction,
    /// One of these words.
    Word(&'static [&'static str]),
}

impl Rule {
    /// Whether an axis of whole numbers may have `number`.
    pub(crate) fn allows_whole(self, number: i64) -> bool {
        match self {
            Rule::Whole(least, most) => (least..=most).contains(&number),
            Rule::Positive | Rule::NotNegative | Rule::Fraction | Rule::Word(_) => false,
        }
    }

    /// Whether an axis of numbers may have `number`.
    pub(crate) fn allows_real(self, number: f64) -> bool {
        match self {
            Rule::Positive => number.is_finite() && number > 0.0,
            Rule::NotNegative => number.is_finite() && number >= 0.0,
            Rule::Fraction => (0.0..1.0).contains(&number),
            Rule::Whole(..) | Rule::Word(_) => false,
        }
    }

    /// Whether an axis of words may have `word`.
    pub(crate) fn allows_word(self, word: &str) -> bool {
        match self {
            Rule::Word(words) => words.contains(&word),
            Rule::Whole(..) | Rule::Positive | Rule::NotNegative | Rule::Fraction => false,
        }
    }
}

impl Row {
    const fn new(
        label: &'static str,
        kind: Kind,
        get: fn(&TrialSpec, Option<&Scores>) -> Option<Value>,
    ) -> Self {
        Self {
            label,
            kind,
            of_networks: false,
            get,
            grid: None,
        }
    }

    /// The same of networks alone.
    const fn of_networks(self) -> Self {
        Self {
            of_networks: true,
            ..self
        }
    }

    /// The same as an axis of the grid.
    const fn in_grid(self, grid: GridAxis) -> Self {
        Self {
            grid: Some(grid),
            ..self
        }
    }
}

impl Axis {
    const fn row(self) -> Row {
        use Kind::{Real, Whole, Word};
        match self {
            Axis::Ann => Row::new("ANN", Word, |trial, _| word(&ann(trial)?.name)),
            Axis::Region => Row::new("region", Word, |trial, _| word(&trial.region)),
            Axis::Model => Row::new("model", Word, |trial, _| word(trial.model())),
            Axis::Layers => Row::new("layers", Word, |trial, _| word(&trial.layers.join("+"))),
            Axis::L1 => Row::new("L1", Whole, |trial, _| whole(trial.l1?)).in_grid(GridAxis {
                plural: "NRP-L1",
                from_depth: 1,
                is_optional: false,
                default: || Values::Wholes(vec![16, 32, 64, 128]),
                rule: Rule::Whole(1, 65_536),
                rule_words: "a layer has 1 to 65536 units",
                of: |grid| Values::of_u32(&grid.l1),
                put: |grid, values| grid.l1 = values.u32s(),
                set: |trial, values, at| trial.l1 = Some(values.u32(at)),
            }),
            Axis::L2 => Row::new("L2", Whole, |trial, _| whole(trial.l2?)).in_grid(GridAxis {
                plural: "NRP-L2",
                from_depth: 2,
                is_optional: false,
                default: || Values::Wholes(vec![32, 64, 128, 256]),
                rule: Rule::Whole(1, 65_536),
                rule_words: "a layer has 1 to 65536 units",
                of: |grid| Values::of_u32(&grid.l2),
                put: |grid, values| grid.l2 = values.u32s(),
                set: |trial, values, at| trial.l2 = Some(values.u32(at)),
            }),
            Axis::Depth => Row::new("depth", Whole, |trial, _| whole(trial.depth))
                .of_networks()
                .in_grid(GridAxis {
                    plural: "Depths",
                    from_depth: 0,
                    is_optional: false,
                    default: || Values::Wholes(vec![2]),
                    rule: Rule::Whole(0, 3),
                    rule_words: "there are 0 to 3 intermediate layers",
                    of: |grid| Values::of_u32(&grid.depth),
                    put: |grid, values| grid.depth = values.u32s(),
                    set: |trial, values, at| trial.depth = values.u32(at),
                }),
            Axis::LearningRate => Row::new("rate", Real, |trial, _| real(trial.learning_rate))
                .of_networks()
                .in_grid(GridAxis {
                    plural: "Learning rates",
                    from_depth: 0,
                    is_optional: false,
                    default: || Values::Reals(vec![1e-4, 3e-4, 1e-3, 3e-3]),
                    rule: Rule::Positive,
                    rule_words: "a learning rate must be above 0",
                    of: |grid| Values::Reals(grid.learning_rate.clone()),
                    put: |grid, values| grid.learning_rate = values.reals().to_vec(),
                    set: |trial, values, at| trial.learning_rate = values.reals()[at],
                }),
            Axis::WeightDecay => Row::new("decay", Real, |trial, _| real(trial.weight_decay))
                .of_networks()
                .in_grid(GridAxis {
                    plural: "Weight decays",
                    from_depth: 0,
                    is_optional: false,
                    default: || Values::Reals(vec![0.0]),
                    rule: Rule::NotNegative,
                    rule_words: "a weight decay must not be negative",
                    of: |grid| Values::Reals(grid.weight_decay.clone()),
                    put: |grid, values| grid.weight_decay = values.reals().to_vec(),
                    set: |trial, values, at| trial.weight_decay = values.reals()[at],
                }),
            Axis::Dropout => Row::new("dropout", Real, |trial, _| real(trial.dropout))
                .of_networks()
                .in_grid(GridAxis {
                    plural: "Dropouts",
                    from_depth: 1,
                    is_optional: false,
                    default: || Values::Reals(vec![0.0]),
                    rule: Rule::Fraction,
                    rule_words: "dropout is at least 0 and below 1",
                    of: |grid| Values::Reals(grid.dropout.clone()),
                    put: |grid, values| grid.dropout = values.reals().to_vec(),
                    set: |trial, values, at| trial.dropout = values.reals()[at],
                }),
            Axis::Sparsity => Row::new("sparsity", Real, |trial, _| real(ann(trial)?.sparsity)),
            Axis::Projection => Row::new("projection", Word, |trial, _| word(trial.projection())),
            Axis::LinearPath => Row::new("linear path", Word, |trial, _| word(trial.linear_path()))
                .of_networks()
                .in_grid(GridAxis {
                    plural: "Linear paths",
                    from_depth: 0,
                    is_optional: true,
                    default: || Values::Words(vec![LinearPath::None.to_string()]),
                    rule: Rule::Word(&LinearPath::NAMES),
                    rule_words: "must be one of `none`, `ridge`",
                    of: |grid| Values::Words(grid.linear_path.clone()),
                    put: |grid, values| grid.linear_path = values.words().to_vec(),
                    set: |trial, values, at| {
                        let path = &values.words()[at];
                        if path != LinearPath::None.name() {
                            trial.linear_path.clone_from(path);
                        }
                    },
                }),
            Axis::Ensemble => Row::new("ensemble", Whole, |trial, _| whole(trial.ensemble()))
                .of_networks()
                .in_grid(GridAxis {
                    plural: "Networks of an ensemble",
                    from_depth: 0,
                    is_optional: true,
                    default: || Values::Wholes(vec![1]),
                    rule: Rule::Whole(1, 1_000),
                    rule_words: "an ensemble has 1 to 1000 networks",
                    of: |grid| Values::of_u32(&grid.ensemble),
                    put: |grid, values| grid.ensemble = values.u32s(),
                    set: |trial, values, at| {
                        let networks = values.u32(at);
                        if networks > 1 {
                            trial.ensemble = networks;
                        }
                    },
                }),
            Axis::Split => Row::new("split", Whole, |trial, _| whole(trial.split_number())),
            Axis::Seed => Row::new("seed", Whole, |trial, _| whole(trial.seed))
                .of_networks()
                .in_grid(GridAxis {
                    plural: "Seeds",
                    from_depth: 0,
                    is_optional: false,
                    default: || Values::Wholes(vec![0]),
                    rule: Rule::Whole(0, i64::MAX),
                    rule_words: "a seed must not be negative",
                    of: |grid| Values::of_u64(&grid.seed),
                    put: |grid, values| grid.seed = values.u64s(),
                    set: |trial, values, at| trial.seed = values.u64(at),
                }),
            // A comparison has none.
            Axis::Parameters => Row::new("parameters", Whole, |_, scores| {
                let has = |of: &&Scores| of.kind() == score::Kind::Prediction || of.parameters > 0;
                whole(scores.filter(has)?.parameters)
            }),
        }
    }

    /// The axes of the grid, in the order in which its cells are numbered: the last runs fastest,
    /// and the depth slowest.
    pub const GRID: [Axis; GRID_AXES] = {
        let mut grid = [Axis::Depth; GRID_AXES];
        let (mut at, mut next) = (0, 0);
        while at < Axis::ALL.len() {
            if Axis::ALL[at].row().grid.is_some() {
                grid[next] = Axis::ALL[at];
                next += 1;
            }
            at += 1;
        }
        grid
    };

    /// How lists of its values are headed: "Learning rates".
    pub fn plural(self) -> &'static str {
        self.grid().map_or(self.label(), |grid| grid.plural)
    }

    /// Whether there was no choice on the axis at first.
    pub fn is_optional(self) -> bool {
        self.grid().is_some_and(|grid| grid.is_optional)
    }

    /// Whether `value` is the only one that there was before there was a choice.
    pub fn is_tacit(self, value: &Value) -> bool {
        let tacit = self.grid().filter(|grid| grid.is_optional);
        tacit.is_some_and(|grid| (grid.default)().value(0).as_ref() == Some(value))
    }

    /// How sweep files and the wire have the axis, where it is one of the grid.
    pub(crate) const fn grid(self) -> Option<GridAxis> {
        self.row().grid
    }

    /// The header of its column in tables.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// The kind of its values.
    pub const fn kind(self) -> Kind {
        self.row().kind
    }

    /// Where a trial lies on the axis; none where it has no place on it, as NRP-L2 at depth 1 or the
    /// learning rate of a linear baseline.
    pub fn of(self, trial: &TrialRecord) -> Option<Value> {
        self.of_spec(trial.spec.as_ref()?, trial.scores.as_ref())
    }

    /// As [`Axis::of`], of a trial with these scores, where it has any.
    pub fn of_spec(self, trial: &TrialSpec, scores: Option<&Scores>) -> Option<Value> {
        let row = self.row();
        if row.of_networks && !trial.is_nrp_network() {
            return None;
        }
        (row.get)(trial, scores)
    }
}

impl TrialSpec {
    /// What predicts beside the network, as the sweep file spells it.
    pub fn linear_path(&self) -> &str {
        if self.linear_path.is_empty() {
            NO_LINEAR_PATH
        } else {
            &self.linear_path
        }
    }

    /// How many networks' predictions are averaged.
    pub fn ensemble(&self) -> u32 {
        self.ensemble.max(1)
    }
}

/// The linear path of an NRP network that has nothing beside it.
pub const NO_LINEAR_PATH: &str = LinearPath::None.name();

/// How many axes the grid has.
const GRID_AXES: usize = {
    let (mut at, mut axes) = (0, 0);
    while at < Axis::ALL.len() {
        axes += Axis::ALL[at].row().grid.is_some() as usize;
        at += 1;
    }
    axes
};

fn ann(trial: &TrialSpec) -> Option<&AnnSpec> {
    trial.ann.as_ref()
}

fn word(word: &str) -> Option<Value> {
    Some(Value::Word(word.to_owned()))
}

fn whole(number: impl Into<u64>) -> Option<Value> {
    Some(Value::Whole(number.into()))
}

fn real(number: f64) -> Option<Value> {
    Some(Value::Real(number))
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Word(a), Value::Word(b)) => a.cmp(b),
            (Value::Whole(a), Value::Whole(b)) => a.cmp(b),
            // -0 and 0 are one value.
            (Value::Real(a), Value::Real(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Value::Word(_), Value::Whole(_) | Value::Real(_))
            | (Value::Whole(_), Value::Real(_)) => Ordering::Less,
            (Value::Real(_), Value::Word(_) | Value::Whole(_))
            | (Value::Whole(_), Value::Word(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Word(word) => f.write_str(word),
            Value::Whole(number) => number.fmt(f),
            // Small rates are read as powers of ten.
            Value::Real(number) if *number != 0.0 && number.abs() < 1e-2 => write!(f, "{number:e}"),
            Value::Real(number) => number.fmt(f),
        }
    }
}

/// JSON has words as texts and numbers as numbers.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Word(word) => serializer.serialize_str(word),
            Value::Whole(number) => serializer.serialize_u64(*number),
            Value::Real(number) => serializer.serialize_f64(*number),
        }
    }
}

#[cfg(test)]
mod tests;
