//! The index's keys: a letter for the kind, then ids and numbers in big-endian order, so that the
//! bytes sort like the values they represent.

use crate::scheduler::{GroupId, RowId, SweepId, TrialId};

/// The number of the last journal entry that the index has.
pub(super) const APPLIED: &[u8] = b"m applied";

/// The index's format, written with the first entry.
pub(super) const FORMAT: &[u8] = b"m format";

/// How many trials the index has, and how many of them have an outcome.
pub(super) const TOTALS: &[u8] = b"m totals";

/// All sweeps.
pub(super) const SWEEPS: &[u8] = b"s";

/// A sweep's grid. It marks that all of the sweep's trials are in the index.
pub(super) fn sweep(sweep: SweepId) -> Vec<u8> {
    [SWEEPS, &sweep.0.to_be_bytes()].concat()
}

/// A stretch of a sweep's trials, in grid order.
pub(super) fn stretch(sweep: SweepId, number: u32) -> Vec<u8> {
    let sweep = sweep.0.to_be_bytes();
    [b"o", sweep.as_slice(), &number.to_be_bytes()].concat()
}

/// All blocks of a sweep's members.
pub(super) fn all_members(sweep: SweepId) -> Vec<u8> {
    [b"w", sweep.0.to_be_bytes().as_slice()].concat()
}

/// A block of a sweep's members, by its last.
pub(super) fn members(sweep: SweepId, last: TrialId) -> Vec<u8> {
    [all_members(sweep), last.0.to_be_bytes().to_vec()].concat()
}

/// A trial with its outcome, or with what else has happened to it.
pub(super) fn trial(trial: TrialId) -> Vec<u8> {
    [b"t", trial.0.to_be_bytes().as_slice()].concat()
}

/// The details of a trial's scores: errors of sites, losses of epochs.
pub(super) fn details(trial: TrialId) -> Vec<u8> {
    [b"d", trial.0.to_be_bytes().as_slice()].concat()
}

/// The content that the trials of a job group share.
pub(super) fn group(group: GroupId) -> Vec<u8> {
    [b"g", group.0.to_be_bytes().as_slice()].concat()
}

/// All rows of `best`.
pub(super) const ROWS: &[u8] = b"r";

/// A row of `best`, with one of its trials.
pub(super) fn row(row: RowId) -> Vec<u8> {
    [ROWS, &row.0.to_be_bytes()].concat()
}

/// All rows that contain trials of a sweep.
pub(super) fn sweep_rows(sweep: SweepId) -> Vec<u8> {
    [b"q", sweep.0.to_be_bytes().as_slice()].concat()
}

/// Marks that a sweep has trials in a row.
pub(super) fn sweep_row(sweep: SweepId, row: RowId) -> Vec<u8> {
    [sweep_rows(sweep), row.0.to_be_bytes().to_vec()].concat()
}

/// All sweeps that have trials in a row.
pub(super) fn row_sweeps(row: RowId) -> Vec<u8> {
    [b"x", row.0.to_be_bytes().as_slice()].concat()
}

/// Marks that a row has trials of a sweep.
pub(super) fn row_sweep(row: RowId, sweep: SweepId) -> Vec<u8> {
    [row_sweeps(row), sweep.0.to_be_bytes().to_vec()].concat()
}

/// All finished trials of a row, the best first.
pub(super) fn ranking(row: RowId) -> Vec<u8> {
    [b"b", row.0.to_be_bytes().as_slice()].concat()
}

/// A finished trial's place in its row, by its [`rank`](nrp_proto::wire::Scores::rank).
pub(super) fn rank(row: RowId, rank: f64, trial: TrialId) -> Vec<u8> {
    let rank = sortable(rank).to_be_bytes();
    [ranking(row), rank.to_vec(), trial.0.to_be_bytes().to_vec()].concat()
}

/// The number at the end of a key.
pub(super) fn last_u64(key: &[u8]) -> Option<u64> {
    let bytes = key.len().checked_sub(8).and_then(|at| key.get(at..))?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The trial at the end of a key.
pub(super) fn last_trial(key: &[u8]) -> Option<TrialId> {
    let bytes = key.len().checked_sub(16).and_then(|at| key.get(at..))?;
    Some(TrialId(u128::from_be_bytes(bytes.try_into().ok()?)))
}

/// A description of a key for people.
pub(super) fn describe(key: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let kind = match key.first() {
        Some(b'm') => return format!("`{}`", String::from_utf8_lossy(&key[1..]).trim()),
        Some(b's') => "sweep",
        Some(b't') => "trial",
        Some(b'd') => "the details of trial",
        Some(b'g') => "job group",
        Some(b'o') => "the list of trials of sweep",
        Some(b'w') => "the members of sweep and trial",
        Some(b'r') => "row",
        Some(b'q') => "the row of sweep",
        Some(b'x') => "the sweep of row",
        Some(_) | None => "record",
    };
    match last_trial(key) {
        // The row and the loss before it mean nothing to people.
        Some(trial) if key[0] == b'b' => format!("the rank of trial {trial}"),
        Some(_) | None => format!("{kind} {}", hex(key.get(1..).unwrap_or_default())),
    }
}

/// The part of a value that follows from the journal alone: a rank starts with its batch, which
/// does not.
pub(super) fn lasting<'a>(key: &[u8], value: &'a [u8]) -> &'a [u8] {
    match key.first() {
        Some(b'b') => value.get(8..).unwrap_or(value),
        Some(_) | None => value,
    }
}

/// An integer that sorts like `value`, which must be finite.
fn sortable(value: f64) -> u64 {
    // -0 and 0 are equal.
    let bits = (value + 0.0).to_bits();
    match bits >> 63 {
        0 => bits | (1 << 63),
        _ => !bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_the_losses_do() {
        let losses = [-1e300, -2.0, -1e-300, 0.0, 1e-300, 0.1, 0.2, 1.0, 1e300];
        let keys: Vec<_> = losses
            .iter()
            .map(|mse| rank(RowId(1), *mse, TrialId(9)))
            .collect();
        assert!(keys.is_sorted());
        assert_eq!(
            rank(RowId(1), -0.0, TrialId(1)),
            rank(RowId(1), 0.0, TrialId(1))
        );
        assert_eq!(last_trial(&keys[0]), Some(TrialId(9)));
        assert_eq!(last_u64(&sweep_row(SweepId(1), RowId(2))), Some(2));
    }
}
