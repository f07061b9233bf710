//! What comes in, checked: names, sizes, ids and numbers. A journal holds numbers as JSON, which
//! has none that are not finite, so none get past here.

use super::refuse::{diagnostic, refuse};
use crate::scheduler::{
    ActivationsId, Attempt, Fence, Hindrance, Holder, JobId, LeaseRef, TrialId,
};
use nrp_proto::axis::{Axis, AxisError, Condition, Value};
use nrp_proto::wire;
use nrp_proto::{DETAILS_MAX, EPOCHS_MAX, HELD_MAX, REPORTS_MAX, SITES_MAX};
use tonic::{Code, Status};

/// Longest name of a sweep, worker, process, ANN, layer or region.
const NAME_BYTES_MAX: usize = 256;

/// Longest path or digest.
const TEXT_BYTES_MAX: usize = 4_096;

/// Most of a failure's reason that is kept.
const REASON_BYTES_MAX: usize = 4_096;

/// Most of a hindrance's reason, and of its hint, that is kept.
const HINDRANCE_BYTES_MAX: usize = 2_048;

/// Most of what a worker says that it is working on that is kept.
const SUBJECT_BYTES_MAX: usize = 512;

/// Most outcomes that are retracted at once.
const RETRACTED_MAX: usize = 1_000;

/// Most workers that are told to leave at once: so many fit the answer.
const DRAINED_MAX: usize = 1_000;

/// Most leases in one heartbeat.
const LEASES_MAX: usize = 1_024;

/// Most conditions in one question.
const FILTERS_MAX: usize = 64;

fn invalid(message: String) -> Status {
    refuse(
        Code::InvalidArgument,
        message,
        "are client, worker and coordinator of one version?",
    )
}

/// A name that must be there, fits on a line and prints.
pub(super) fn name(what: &str, name: &str) -> Result<(), Status> {
    if name.is_empty() {
        return Err(invalid(format!("the {what} is empty")));
    }
    text(what, name, NAME_BYTES_MAX)
}

fn text(what: &str, text: &str, bytes_max: usize) -> Result<(), Status> {
    if text.len() > bytes_max {
        let bytes = text.len();
        return Err(invalid(format!(
            "the {what} has {bytes} bytes, and {bytes_max} is the most"
        )));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(invalid(format!(
            "the {what} has a control character, {}",
            c.escape_debug()
        ))),
        None => Ok(()),
    }
}

fn finite(what: &str, value: f64) -> Result<(), Status> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(invalid(format!(
            "the {what} is {value}, not a finite number"
        ))),
    }
}

pub(super) fn holder(worker: String, instance: String) -> Result<Holder, Status> {
    name("worker's name", &worker)?;
    name("worker's instance", &instance)?;
    Ok(Holder { worker, instance })
}

/// Names of workers that something is done to.
pub(super) fn workers(workers: Vec<String>) -> Result<Vec<String>, Status> {
    let n = workers.len();
    if n > DRAINED_MAX {
        return Err(invalid(format!(
            "{n} workers are named, and the limit is {DRAINED_MAX}"
        )));
    }
    for worker in &workers {
        name("worker's name", worker)?;
    }
    Ok(workers)
}

pub(super) fn lease(lease: Option<wire::LeaseRef>) -> Result<LeaseRef, Status> {
    let lease = lease.ok_or_else(|| invalid("the lease is missing".to_owned()))?;
    Ok(reference(lease))
}

pub(super) fn leases(leases: Vec<wire::LeaseRef>) -> Result<Vec<LeaseRef>, Status> {
    match leases.len() {
        0..=LEASES_MAX => Ok(leases.into_iter().map(reference).collect()),
        n => Err(invalid(format!(
            "{n} leases in a heartbeat, and {LEASES_MAX} is the most"
        ))),
    }
}

/// Outcomes that come together, each of which is checked for itself.
pub(super) fn reports(reports: Vec<wire::Report>) -> Result<Vec<wire::Report>, Status> {
    many("outcomes in one report", reports.len(), REPORTS_MAX)?;
    Ok(reports)
}

/// What a worker says that its cache holds.
pub(super) fn held(ids: &[String]) -> Result<Vec<ActivationsId>, Status> {
    many("activations in a request for a job", ids.len(), HELD_MAX)?;
    let ids = ids.iter().map(|id| id.parse());
    let held: Result<_, crate::scheduler::IdError> = ids.collect();
    held.map_err(|error| invalid(error.to_string()))
}

fn reference(lease: wire::LeaseRef) -> LeaseRef {
    LeaseRef {
        job: JobId(lease.job),
        fence: Fence(lease.fence),
    }
}

/// What a worker says that it is doing. The subject is for people: one that is too long is cut.
pub(super) fn activity(activity: Option<wire::Activity>) -> Result<Option<wire::Activity>, Status> {
    let Some(mut activity) = activity else {
        return Ok(None);
    };
    cut(&mut activity.subject, SUBJECT_BYTES_MAX);
    text("activity", &activity.doing, NAME_BYTES_MAX)?;
    text("activity's subject", &activity.subject, SUBJECT_BYTES_MAX)?;
    text("activity's unit", &activity.unit, NAME_BYTES_MAX)?;
    Ok(Some(activity))
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}

/// What a worker has done so far. Nonsense is no reason to end its leases, and counts as nothing.
pub(super) fn totals(totals: Option<wire::WorkerTotals>) -> wire::WorkerTotals {
    let mut totals = totals.unwrap_or_default();
    for seconds in [&mut totals.extraction_seconds, &mut totals.device_seconds] {
        if !(seconds.is_finite() && *seconds >= 0.0) {
            *seconds = 0.0;
        }
    }
    totals
}

pub(super) fn trial(id: &str) -> Result<TrialId, Status> {
    id.parse()
        .map_err(|error: crate::scheduler::IdError| invalid(error.to_string()))
}

/// Trials whose details are asked for.
pub(super) fn details(trials: &[String]) -> Result<Vec<TrialId>, Status> {
    many("trials", trials.len(), DETAILS_MAX)?;
    trials.iter().map(|id| trial(id)).collect()
}

/// What an attempt ended with. A reason that is too long is cut: a report must not fail over it.
pub(super) fn attempt(outcome: Option<wire::Outcome>) -> Result<Attempt, Status> {
    let result = outcome.and_then(|outcome| outcome.result);
    match result.ok_or_else(|| invalid("the outcome is missing".to_owned()))? {
        wire::outcome::Result::Scores(scores) => {
            check_scores(&scores)?;
            Ok(Attempt::Finished(Box::new(scores)))
        }
        wire::outcome::Result::Failure(failure) => {
            let mut reason = failure.reason;
            cut(&mut reason, REASON_BYTES_MAX);
            Ok(Attempt::Failed {
                reason,
                is_final: failure.r#final,
            })
        }
    }
}

/// What keeps a worker from running a job. What is too long is cut and control characters are left
/// out: a job must not stay with a worker over it.
pub(super) fn hindrance(hindrance: wire::Hindrance) -> Hindrance {
    let plain = |text: String| {
        let mut text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        text.truncate(text.floor_char_boundary(HINDRANCE_BYTES_MAX));
        text
    };
    let reason = plain(hindrance.reason);
    Hindrance {
        reason: match reason.trim().is_empty() {
            true => "the worker does not say why".to_owned(),
            false => reason,
        },
        hint: plain(hindrance.hint),
        machine: hindrance.machine,
        of_trials: hindrance.of_trials,
    }
}

pub(super) fn validation_mse(loss: f64) -> Result<f64, Status> {
    finite("validation loss", loss)?;
    match loss >= 0.0 {
        true => Ok(loss),
        false => Err(invalid(format!("the validation loss is {loss}, below 0"))),
    }
}

/// Trials whose outcomes are retracted, and why.
pub(super) fn retraction(
    trials: &[String],
    reason: String,
) -> Result<(Vec<TrialId>, String), Status> {
    if trials.is_empty() {
        return Err(invalid("no trial is named".to_owned()));
    }
    many("trials", trials.len(), RETRACTED_MAX)?;
    if reason.trim().is_empty() {
        return Err(refuse(
            Code::InvalidArgument,
            "the reason is empty",
            "say why the outcomes are wrong: it is kept with the retraction",
        ));
    }
    text("reason", &reason, REASON_BYTES_MAX)?;
    let trials = trials.iter().map(|id| trial(id));
    Ok((trials.collect::<Result<_, _>>()?, reason))
}

fn check_scores(scores: &wire::Scores) -> Result<(), Status> {
    text("format of activations", &scores.cache_dtype, NAME_BYTES_MAX)?;
    finite("NRP-error", scores.nrp_error)?;
    finite("mean predictor's error", scores.mean_predictor_error)?;
    validation_mse(scores.validation_mse)?;
    finite("training time", scores.train_seconds)?;
    let optional = [
        ("mean R2", scores.r2_mean),
        ("median R2", scores.r2_median),
        ("pooled R2", scores.r2_pooled),
        ("median Pearson r", scores.pearson_median),
        ("noise floor", scores.noise_floor),
        ("median noise ceiling", scores.ceiling_median),
        (
            "squared Pearson r over the ceiling",
            scores.pearson2_over_ceiling,
        ),
        ("reached sparsity", scores.reached_sparsity),
        ("split-half consistency", scores.split_half_consistency),
    ];
    for (what, value) in optional {
        if let Some(value) = value {
            finite(what, value)?;
        }
    }
    scores.details.as_ref().map_or(Ok(()), check_details)
}

fn check_details(details: &wire::Details) -> Result<(), Status> {
    many("sites", details.site_error.len(), SITES_MAX)?;
    many("sites", details.site_pearson.len(), SITES_MAX)?;
    many("sites", details.sites_left_out.len(), SITES_MAX)?;
    many("epochs", details.training_mse.len(), EPOCHS_MAX)?;
    many("epochs", details.validation_mse.len(), EPOCHS_MAX)?;
    text("version", &details.worker_version, NAME_BYTES_MAX)?;
    text("device", &details.device, NAME_BYTES_MAX)
}

/// All that `nrp sweep check` checks of a sweep's file, but for what the catalogue of ANNs knows. How
/// many trials it has, its expansion tells.
pub(super) fn sweep(spec: &wire::SweepSpec) -> Result<(), Status> {
    spec.check()
        .map_err(|error| diagnostic(Code::InvalidArgument, &error))
}

/// What trials are asked for by; an ANN or region that is empty is any.
pub(super) fn conditions(
    ann: &str,
    region: &str,
    filters: &[String],
) -> Result<Vec<Condition>, Status> {
    text("ANN's name", ann, NAME_BYTES_MAX)?;
    text("region's name", region, NAME_BYTES_MAX)?;
    many("filters", filters.len(), FILTERS_MAX)?;
    let named = [(Axis::Ann, ann), (Axis::Region, region)];
    let named = named.into_iter().filter(|(_, name)| !name.is_empty());
    let named = named.map(|(axis, name)| Condition::is(axis, Value::Word(name.to_owned())));
    let mut conditions: Vec<_> = named.collect();
    for filter in filters {
        text("filter", filter, TEXT_BYTES_MAX)?;
        conditions.push(filter.parse().map_err(axis_refused)?);
    }
    Ok(conditions)
}

/// The axes of marginals.
pub(super) fn axes(by: &[String]) -> Result<Vec<Axis>, Status> {
    let axes = by.iter().take(3).map(|name| name.parse::<Axis>());
    let axes = axes.collect::<Result<Vec<_>, _>>();
    let axes = axes.map_err(|unknown| axis_refused(unknown.into()))?;
    match axes.as_slice() {
        [_] => Ok(axes),
        [a, b] if a != b => Ok(axes),
        _ => Err(refuse(
            Code::InvalidArgument,
            format!("marginals over {} axes", by.len()),
            "name one axis, or two that differ: `l1`, `l2`",
        )),
    }
}

fn axis_refused(error: AxisError) -> Status {
    diagnostic(Code::InvalidArgument, &error)
}

fn many(what: &str, found: usize, most: usize) -> Result<(), Status> {
    match found <= most {
        true => Ok(()),
        false => Err(invalid(format!("{found} {what}, and {most} is the most"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_short_and_printable() {
        assert!(name("worker's name", "gpu-1 (Süd)").is_ok());
        for (bad, message) in [
            ("", "the worker's name is empty"),
            ("a\nb", r"the worker's name has a control character, \n"),
        ] {
            let status = name("worker's name", bad).expect_err("refused");
            assert_eq!(
                (status.code(), status.message()),
                (Code::InvalidArgument, message)
            );
        }
        let status = name("worker's name", &"x".repeat(257)).expect_err("refused");
        assert_eq!(
            status.message(),
            "the worker's name has 257 bytes, and 256 is the most"
        );
    }

    #[test]
    fn scores_that_are_not_finite_or_missing_are_refused() {
        let outcome = |scores| wire::Outcome {
            result: Some(wire::outcome::Result::Scores(scores)),
        };
        let scores = wire::Scores {
            validation_mse: f64::NAN,
            ..Default::default()
        };
        let status = attempt(Some(outcome(scores))).expect_err("refused");
        assert_eq!(
            status.message(),
            "the validation loss is NaN, not a finite number"
        );
        let scores = wire::Scores {
            r2_mean: Some(f64::INFINITY),
            ..Default::default()
        };
        assert!(attempt(Some(outcome(scores))).is_err());
        assert!(attempt(None).is_err());
        assert!(attempt(Some(outcome(wire::Scores::default()))).is_ok());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let failure = wire::Failure {
            reason: "ü".repeat(REASON_BYTES_MAX),
            r#final: false,
        };
        let outcome = wire::Outcome {
            result: Some(wire::outcome::Result::Failure(failure)),
        };
        match attempt(Some(outcome)).expect("is taken") {
            Attempt::Failed { reason, .. } => assert_eq!(reason.len(), REASON_BYTES_MAX),
            Attempt::Finished(_) => panic!("it failed"),
        }
    }
}
