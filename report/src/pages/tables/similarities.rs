//! Comparisons of activations with responses, which predict no site.

use super::fields::weights;
use crate::model::{AnnResults, Similarity};
use crate::pages::table::{Field, OnPage, Table, Value, field};
use crate::row;

/// Every comparison of each ANN and region.
pub(crate) fn table(anns: &AnnResults, simulated: bool) -> Table {
    let mut rows = Vec::new();
    for ann in anns {
        let of_trials = ann.regions.of_trials.iter();
        let of_trials = of_trials.map(|of| (&of.region, &of.similarities));
        let of_subjects = ann.regions.of_subjects.iter();
        let of_subjects = of_subjects.map(|of| (&of.region, &of.similarities));
        for (region, similarities) in of_subjects.chain(of_trials) {
            rows.extend(similarities.iter().map(|found| {
                let label = row::region_label(region, simulated);
                let mut fields = vec![
                    field("ANN", "ann", Value::Word(ann.label())),
                    field("region", "region", Value::Word(label)),
                ];
                fields.extend(scores(found));
                fields.extend(weights(ann));
                fields
            }));
        }
    }
    Table {
        name: "similarities",
        title: "Comparisons without a prediction",
        note: "How alike activations and responses are, both as they are. rdm: Spearman's correlation of \
               the dissimilarities between stimuli, 1 − Pearson's r; cka: unbiased linear centred kernel \
               alignment, and cka-biased as it was first defined; reverse-pls: partial least squares from \
               the sites to the units, the median over units of Pearson's r on test stimuli. The \
               similarity is over all stimuli; of several layer sets, the one with the highest is shown, \
               and no stimulus is held out of that choice. In the splits it is over nine tenths of the \
               stimuli with the scheme brain-score, and over the test stimuli with others. Errors are \
               standard errors (divisor n). Only splits in which all trials have an outcome count. \
               With subjects = \"each\", numbers of a region are means over its subjects. The upper bound \
               of rdm is the similarity of each subject's RDM with the mean RDM of all subjects, the lower \
               bound that with the mean RDM of the others (Nili et al. 2014); the ceiled similarity is over \
               the upper bound. The upper bound depends on the number of subjects: it is higher with few, \
               so ceiled similarities do not compare between data sets, and those that are not ceiled do. \
               The ceiling of cka is the mean CKA of pairs of subjects; that of reverse-pls is the \
               recordings' own, and the ceiled similarity is the square over it."
            .to_owned(),
        rows,
        on_page: OnPage::All,
    }
}

fn scores(found: &Similarity) -> Vec<Field> {
    let score = |head: &'static str, column: &'static str, value: Option<f64>| {
        field(head, column, Value::Score(value))
    };
    let over = &found.over_splits;
    vec![
        field(
            "model",
            "model",
            Value::Word(row::model_label(&found.model)),
        ),
        score("similarity", "similarity", Some(found.similarity)),
        score("in splits, mean", "mean_similarity_split", over.mean),
        score("s.e.", "similarity_split_error", over.error),
        field("splits", "splits", Value::Count(Some(over.splits as u64))),
        field(
            "subjects",
            "subjects",
            Value::Count(found.subjects.map(|subjects| subjects as u64)),
        ),
        score("upper bound", "similarity_upper", found.upper),
        score("lower bound", "similarity_lower", found.lower),
        score("ceiling", "ceiling", found.ceiling),
        score("s.e.", "ceiling_error", found.ceiling_error),
        score("ceiled", "ceiled", found.ceiled),
        field("layers", "layers", Value::Word(found.layers.join("+"))),
    ]
}
