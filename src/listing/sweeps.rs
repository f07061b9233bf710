//! Sweeps and how far they are, as a table.

use super::{Choice, Listing, plain};
use crate::failure::CommandError;
use crate::row;
use crate::table::{Hoist, Shown};
use nrp_proto::state::{SweepState, TrialState};
use nrp_proto::wire::SweepStatus;

/// The names that `--columns` accepts for sweeps.
pub(super) const NAMES: [&str; 14] = [
    "name",
    "id",
    "state",
    "priority",
    "trials",
    "finished",
    "failed",
    "stopped",
    "leased",
    "waiting",
    "parked",
    "cancelled",
    "anns",
    "regions",
];

/// The progress of sweeps, as a table.
///
/// # Errors
/// When `--columns` names an unknown column, or a sweep has an unknown state.
pub(crate) fn of_sweeps(
    sweeps: &[SweepStatus],
    choice: &Choice,
    width: usize,
) -> Result<String, CommandError> {
    let states = sweeps.iter().map(|sweep| SweepState::of_wire(sweep.state));
    let states = states.collect::<Result<Vec<_>, _>>()?;
    let is_fitted = choice.is_fitted();
    let column = |name, head: &str, rank, of: &dyn Fn(&SweepStatus) -> String| Shown {
        name,
        head: head.to_owned(),
        cells: sweeps.iter().map(|sweep| plain(&of(sweep))).collect(),
        rank,
        hoist: Hoist::Never,
        least: None,
    };
    // The beginning of an id is enough for other commands.
    let id = |sweep: &SweepStatus| {
        let id = if is_fitted {
            row::short(&sweep.id)
        } else {
            &sweep.id
        };
        id.to_owned()
    };
    let priority = Shown {
        hoist: Hoist::Zero,
        ..column("priority", "priority", 3, &|sweep| {
            sweep.priority.to_string()
        })
    };
    let count = |state: TrialState| {
        let (head, rank) = match state {
            TrialState::Finished => (state.name(), 0),
            // "Leased" is the scheduler's word.
            TrialState::Leased => ("running", 1),
            TrialState::Waiting => (state.name(), 1),
            TrialState::Failed
            | TrialState::Parked
            | TrialState::Stopped
            | TrialState::Cancelled => (state.name(), 2),
        };
        Shown {
            hoist: Hoist::Zero,
            ..column(state.name(), head, rank, &|sweep| {
                sweep.count(state).to_string()
            })
        }
    };
    let wrapped = |shown| Shown {
        least: Some(8),
        ..shown
    };
    let mut columns = vec![
        wrapped(column("name", "sweep", 0, &|sweep| sweep.name.clone())),
        column("id", "id", 0, &id),
        Shown {
            cells: states.iter().map(ToString::to_string).collect(),
            ..column("state", "state", 0, &|_| String::new())
        },
        priority,
        column("trials", "trials", 0, &|sweep| sweep.trials.to_string()),
    ];
    columns.extend(STATES_OF_SWEEPS.map(count));
    columns.push(wrapped(column("anns", "ANNs", 7, &|sweep| {
        sweep.anns.join(" ")
    })));
    columns.push(wrapped(column("regions", "regions", 6, &|sweep| {
        row::region_label(&sweep.regions.join(" "), sweep.simulated)
    })));
    choice.table(columns, Listing::Sweeps, &[], width)
}

/// The states of trials in the order in which a sweep's table counts them.
const STATES_OF_SWEEPS: [TrialState; TrialState::ALL.len()] = [
    TrialState::Finished,
    TrialState::Failed,
    TrialState::Stopped,
    TrialState::Leased,
    TrialState::Waiting,
    TrialState::Parked,
    TrialState::Cancelled,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::tests::fits;

    fn sweeps_at(width: usize) -> String {
        let sweep = |name: &str, state: SweepState, failed: u64| SweepStatus {
            name: name.to_owned(),
            id: "0123456789abcdef".to_owned(),
            state: state.to_wire(),
            trials: 1_296,
            finished: 1_200,
            failed,
            leased: 8,
            waiting: 88 - failed,
            simulated: true,
            anns: vec!["mobilenet".to_owned(), "vgg19".to_owned()],
            regions: vec!["V4".to_owned(), "IT".to_owned()],
            ..SweepStatus::default()
        };
        let sweeps = [
            sweep("paper-v4-and-it", SweepState::Running, 3),
            sweep("quickstart", SweepState::Finished, 0),
        ];
        let text = of_sweeps(&sweeps, &Choice::default(), width);
        fits(text.expect("no column was named"), width)
    }

    #[test]
    fn sweeps_fit_80_columns() {
        insta::assert_snapshot!(sweeps_at(80), @r"
        in all rows: priority 0, stopped 0, parked 0, cancelled 0

        sweep            id        state     trials  finished  failed  running  waiting
        paper-v4-and-it  01234567  running   1296    1200      3       8        85
        quickstart       01234567  finished  1296    1200      0       8        88

        not shown: anns, regions
        --wide shows all columns, --columns some
        ");
    }

    #[test]
    fn sweeps_fit_120_columns() {
        insta::assert_snapshot!(sweeps_at(120), @r"
        in all rows: priority 0, stopped 0, parked 0, cancelled 0

        sweep            id        state     trials  finished  failed  running  waiting  ANNs             regions
        paper-v4-and-it  01234567  running   1296    1200      3       8        85       mobilenet vgg19  V4 IT (simulated)
        quickstart       01234567  finished  1296    1200      0       8        88       mobilenet vgg19  V4 IT (simulated)
        ");
    }

    #[test]
    fn names_of_sweeps_are_their_columns() {
        let choice = Choice {
            columns: NAMES.map(str::to_owned).into(),
            wide: false,
        };
        let sweep = SweepStatus {
            state: SweepState::Running.to_wire(),
            ..SweepStatus::default()
        };
        let text = of_sweeps(&[sweep], &choice, 80).expect("known");
        let head = text.lines().next().expect("a header");
        assert_eq!(head.split_whitespace().count(), NAMES.len());
    }
}
