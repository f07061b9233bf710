//! Comparisons of a job: its activations and its region's responses, as they are. The activations' kernel is
//! kept for the jobs that follow, of other comparisons, regions and splits.

use super::inputs::Inputs;
use super::linear::{Known, fit_each, refuse_beyond, units};
use super::outcomes::Outcomes;
use crate::comparison::{self, Compared, Kernel, Responses};
use crate::nrp::{Data, TrainError};
use crate::recording::Region;
use nrp_proto::sweep::Comparison;

/// Compares for each trial of the job, and reports its scores.
///
/// # Errors
/// When the machine prevents it; a trial that is at fault itself has a failure as its outcome.
pub(super) fn compare(
    comparison: Comparison,
    known: &mut Known,
    inputs: &Inputs<'_>,
    outcomes: &Outcomes<'_>,
) -> Result<(), TrainError> {
    let Outcomes { job, data, .. } = *outcomes;
    let stimuli = inputs.compared.len();
    if let Comparison::ReversePls(components) = comparison {
        known.forget();
        refuse_beyond(comparison::bytes(stimuli), stimuli)?;
        let fitted = if job.refits() {
            [data.train, data.validation].concat()
        } else {
            data.train.to_vec()
        };
        let data = Data {
            train: &fitted,
            ..*data
        };
        return fit_each(outcomes, weights(&data, inputs), &mut || {
            let mut on_units = |done| outcomes.on_units(done);
            comparison::evaluate_reverse(components.get(), &data, &mut on_units)
        });
    }
    let others: Vec<Responses<'_>> = inputs.others.iter().map(|of| responses(of)).collect();
    let compared = Compared {
        responses: responses(inputs.region),
        others: &others,
        stimuli: &inputs.compared,
        part: &inputs.part,
    };
    let activations = known.kernel(job, &inputs.compared, || {
        refuse_beyond(comparison::bytes(stimuli), stimuli)?;
        let mut on_units = |done| outcomes.on_units(done);
        Kernel::of_activations(&inputs.layers, &inputs.compared, &mut on_units)
    })?;
    fit_each(outcomes, 0, &mut || {
        comparison::evaluate(comparison, activations, compared)
    })
}

fn responses(of: &Region) -> Responses<'_> {
    Responses {
        subject: of.subject.as_ref().map_or("", |of| of.subject.as_str()),
        values: &of.responses,
        sites: of.sites.len(),
    }
}

/// Free parameters of reverse PLS: a weight for each site and unit, and the units' constants.
fn weights(data: &Data<'_>, inputs: &Inputs<'_>) -> u64 {
    units(inputs) as u64 * (data.sites as u64 + 1)
}
