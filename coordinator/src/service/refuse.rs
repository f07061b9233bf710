//! Refusals: a status that says what is wrong, and a hint beside it that says what to do.

use crate::driver::{Absent, DeleteError, LeaseError, LookupError, Unretractable};
use crate::scheduler::{NoOutcome, Refusal, TooManyOpen};
use miette::Diagnostic;
use nrp_proto::word::UnknownAnswer;
use tonic::{Code, Status};

/// Longest message of a status, in bytes: it travels in a header, whose size clients limit.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// A status with a hint.
pub(super) fn refuse(code: Code, message: impl Into<String>, hint: &str) -> Status {
    let mut message = message.into();
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    nrp_proto::Refusal::status(code, message, Some(hint))
}

/// One of our errors, with its causes and its help.
pub(super) fn diagnostic(code: Code, error: &(impl Diagnostic + Send + Sync + 'static)) -> Status {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let hint = error.help().map(|help| help.to_string());
    refuse(code, message, &hint.unwrap_or_default())
}

/// A number of an enum that this version does not know.
pub(super) fn unknown(error: UnknownAnswer) -> Status {
    diagnostic(Code::InvalidArgument, &error)
}

/// The refusal of a coordinator that is stopping.
pub(super) fn stopping() -> Status {
    refuse(
        Code::Unavailable,
        "the coordinator is stopping",
        "its own output says why; everything it acknowledged is kept, so start it again",
    )
}

pub(super) fn lookup(error: LookupError) -> Status {
    let hint = match &error {
        LookupError::Empty => "`nrp sweep submit FILE` submits one".to_owned(),
        LookupError::Unknown {
            near_miss: Some(name),
            ..
        } => format!("did you mean `{name}`? `nrp sweep list` lists all of them"),
        LookupError::Unknown { .. } => "`nrp sweep list` lists all of them".to_owned(),
        LookupError::NoTrial { .. } => "`nrp trials` lists all of a sweep".to_owned(),
        LookupError::Ambiguous { ids, .. } => format!("it may be one of {}", ids.join(", ")),
    };
    let code = match &error {
        LookupError::Empty | LookupError::Unknown { .. } | LookupError::NoTrial { .. } => {
            Code::NotFound
        }
        LookupError::Ambiguous { .. } => Code::InvalidArgument,
    };
    refuse(code, error.to_string(), &hint)
}

pub(super) fn too_many_open(sweep: &str, error: TooManyOpen) -> Status {
    refuse(
        Code::ResourceExhausted,
        format!("sweep `{sweep}` is refused: {error}"),
        "wait until more of them have an outcome, shorten an axis of the grid, or ask the \
         coordinator's admin for a larger `--max-open-trials`; cancelled trials count, since they \
         may be taken up again",
    )
}

pub(super) fn delete(error: DeleteError) -> Status {
    match error {
        DeleteError::Lookup(error) => lookup(error),
        DeleteError::Open { name, state } => refuse(
            Code::FailedPrecondition,
            format!("sweep `{name}` is {} and cannot be deleted", state.shown()),
            &format!("`nrp sweep cancel {name}` ends it; then it can be deleted"),
        ),
    }
}

pub(super) fn unretractable(refused: Unretractable) -> Status {
    let Unretractable { trial, why } = refused;
    match why {
        NoOutcome::Unknown => refuse(
            Code::NotFound,
            format!("unknown trial `{trial}`; nothing was retracted"),
            "`nrp trials` lists all of a sweep",
        ),
        NoOutcome::Open => refuse(
            Code::FailedPrecondition,
            format!("trial `{trial}` has no outcome; nothing was retracted"),
            "leave it out; an outcome that it gets later can be retracted then",
        ),
    }
}

pub(super) fn absent(absent: Absent) -> Status {
    let hint = match &absent.near_miss {
        Some(name) => format!("did you mean `{name}`? `nrp workers list` lists all of them"),
        None => "`nrp workers list` lists all of them".to_owned(),
    };
    let message = format!("unknown worker `{}`", absent.worker);
    refuse(Code::NotFound, message, &hint)
}

pub(super) fn lease(worker: &str, error: LeaseError) -> Status {
    match error {
        LeaseError::Refused(refusal) => self::worker(worker, refusal),
        LeaseError::Index(error) => diagnostic(Code::DataLoss, &error),
    }
}

pub(super) fn worker(worker: &str, refusal: Refusal) -> Status {
    match refusal {
        Refusal::NotRegistered => refuse(
            Code::NotFound,
            format!("worker `{worker}` has not registered since the coordinator started"),
            "a worker registers again whenever it reconnects",
        ),
        Refusal::Superseded => refuse(
            Code::Aborted,
            format!("another process has registered as worker `{worker}`"),
            "give each worker a name of its own",
        ),
    }
}
