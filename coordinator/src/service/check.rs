//! Bounds on what comes in: names, sizes, ids and numbers. A journal holds numbers as JSON, which has
//! only finite ones, so others are refused here.

use super::refuse::{diagnostic, refuse, unknown};
use crate::scheduler::{
    ActivationsId, Attempt, Fence, Hindrance, Holder, JobId, LeaseRef, TrialId,
};
use nrp_proto::axis::{Axis, AxisError, Condition, Value};
use nrp_proto::score::Score;
use nrp_proto::state::{Doing, ProgressUnit};
use nrp_proto::wire;
use nrp_proto::{DETAILS_MAX, EPOCHS_MAX, HELD_MAX, REPORTS_MAX, SITES_MAX};
use tonic::{Code, Status};

/// Longest name of a sweep, worker, process, ANN, layer or region.
const NAME_BYTES_MAX: usize = 256;

/// Longest filter, path or digest.
const TEXT_BYTES_MAX: usize = 4_096;

/// Longest name on an axis of words: a layer set, its layers joined with `+`.
const WORD_BYTES_MAX: usize = 3_200;

/// The most bytes of a failure's reason that are kept.
const REASON_BYTES_MAX: usize = 4_096;

/// The most bytes of a hindrance's reason, and of its hint, that are kept.
const HINDRANCE_BYTES_MAX: usize = 2_048;

/// The most bytes of an activity's subject that are kept.
const SUBJECT_BYTES_MAX: usize = 512;

/// The most outcomes in one retraction.
const RETRACTED_MAX: usize = 1_000;

/// The most workers in one request to leave: as many as fit the answer.
const DRAINED_MAX: usize = 1_000;

/// The most leases in one heartbeat.
const LEASES_MAX: usize = 1_024;

/// The most conditions in one question.
const FILTERS_MAX: usize = 64;

fn invalid(message: String) -> Status {
    refuse(
        Code::InvalidArgument,
        message,
        "are client, worker and coordinator of one version?",
    )
}

/// Checks a name: not empty, at most 256 bytes, without control characters.
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
            "the {what} has {bytes} bytes; the limit is {bytes_max}"
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
    if !value.is_finite() {
        return Err(invalid(format!(
            "the {what} is {value}, not a finite number"
        )));
    }
    Ok(())
}

pub(super) fn holder(worker: String, instance: String) -> Result<Holder, Status> {
    name("worker's name", &worker)?;
    name("worker's instance", &instance)?;
    Ok(Holder { worker, instance })
}

/// Checks the names of workers that are to leave.
pub(super) fn workers(workers: Vec<String>) -> Result<Vec<String>, Status> {
    let n = workers.len();
    if n > DRAINED_MAX {
        return Err(invalid(format!(
            "{n} workers are named; the limit is {DRAINED_MAX}"
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
            "{n} leases in a heartbeat; the limit is {LEASES_MAX}"
        ))),
    }
}

/// Checks how many outcomes are reported together; [`attempt`] checks each.
pub(super) fn reports(reports: Vec<wire::Report>) -> Result<Vec<wire::Report>, Status> {
    many("outcomes in one report", reports.len(), REPORTS_MAX)?;
    Ok(reports)
}

/// Reads the activations that a worker says it has in its cache.
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

/// Checks a worker's activity. The subject is for people, so a long one is cut.
pub(super) fn activity(activity: Option<wire::Activity>) -> Result<Option<wire::Activity>, Status> {
    let Some(mut activity) = activity else {
        return Ok(None);
    };
    cut(&mut activity.subject, SUBJECT_BYTES_MAX);
    text("activity's subject", &activity.subject, SUBJECT_BYTES_MAX)?;
    // 0 says nothing, as of an idle worker.
    if activity.doing != 0 {
        Doing::of_wire(activity.doing).map_err(unknown)?;
    }
    if activity.unit != 0 {
        ProgressUnit::of_wire(activity.unit).map_err(unknown)?;
    }
    Ok(Some(activity))
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}

/// Reads a worker's totals. Impossible numbers count as 0: they are no reason to end its leases.
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

/// Reads the ids of the trials in a request for details.
pub(super) fn details(trials: &[String]) -> Result<Vec<TrialId>, Status> {
    many("trials", trials.len(), DETAILS_MAX)?;
    trials.iter().map(|id| trial(id)).collect()
}

/// Reads the outcome of an attempt. A long reason is cut, since a report must not fail over it.
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

/// Reads why a worker cannot run a job. Long texts are cut and control characters replaced: a job must
/// not stay with a worker over them.
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
        reason: if reason.trim().is_empty() {
            "the worker does not say why".to_owned()
        } else {
            reason
        },
        hint: plain(hindrance.hint),
        machine: hindrance.machine,
        of_trials: hindrance.of_trials,
    }
}

pub(super) fn validation_mse(loss: f64) -> Result<f64, Status> {
    finite("validation loss", loss)?;
    if loss < 0.0 {
        return Err(invalid(format!("the validation loss is {loss}, below 0")));
    }
    Ok(loss)
}

/// Reads the trials of a retraction, and its reason.
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
    for score in Score::ALL {
        if let Some(value) = score.of(scores) {
            finite(score.words(), value)?;
        }
    }
    validation_mse(scores.validation_mse)?;
    finite("training time", scores.train_seconds)?;
    if let Some(sparsity) = scores.reached_sparsity {
        finite("reached sparsity", sparsity)?;
    }
    if let Some(alpha) = scores.alpha {
        finite("alpha", alpha)?;
    }
    many("subjects", scores.between_subjects.len(), SITES_MAX)?;
    many("subjects", scores.other_subjects.len(), SITES_MAX)?;
    for subject in &scores.other_subjects {
        text("subject", subject, NAME_BYTES_MAX)?;
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

/// Checks a sweep as `nrp sweep check` checks its file, without the catalogue of ANNs. Expanding it
/// checks how many trials it has.
pub(super) fn sweep(spec: &wire::SweepSpec) -> Result<(), Status> {
    spec.check()
        .map_err(|error| diagnostic(Code::InvalidArgument, &error))
}

/// Reads the conditions that trials must meet; an empty ANN or region sets none.
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
        let condition: Condition = filter.parse().map_err(axis_refused)?;
        if let Value::Word(word) = condition.value() {
            let what = format!("value of `{}` in a filter", condition.axis());
            text(&what, word, WORD_BYTES_MAX)?;
        }
        conditions.push(condition);
    }
    Ok(conditions)
}

/// Reads the axes of marginals: one, or two different ones.
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
    if found > most {
        return Err(invalid(format!("{found} {what}; the limit is {most}")));
    }
    Ok(())
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
            "the worker's name has 257 bytes; the limit is 256"
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
        for score in Score::ALL {
            let mut scores = wire::Scores::default();
            score.set(&mut scores, Some(f64::NEG_INFINITY));
            let status = attempt(Some(outcome(scores))).expect_err(score.words());
            let expected = format!("the {} is -inf, not a finite number", score.words());
            assert_eq!(status.message(), expected);
        }
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
