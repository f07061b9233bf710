//! Trials with state and scores, in the order of the grid: as a stream, or in pages.

use super::pages::{self, Page};
use super::refuse::unknown;
use super::{Link, check};
use crate::driver::{ClientCommand, hindered_words};
use crate::scheduler::{SweepId, TrialId, TrialView};
use crate::store::recorded;
use nrp_proto::axis::Condition;
use nrp_proto::state::TrialState;
use nrp_proto::wire::{ListTrialsReply, ListTrialsRequest, TrialRecord, TrialsRequest};
use tokio::sync::mpsc;
use tonic::Status;

/// The trials on a page, unless the request says how many.
const PAGE_TRIALS: u32 = 1_000;

/// The most trials on a page.
const PAGE_TRIALS_MAX: usize = 10_000;

/// The most stretches read for one page. Rare trials take many pages, each of which is quick.
const PAGE_STRETCHES_MAX: u32 = 64;

/// The trials that a request asks for.
#[derive(Debug, Clone)]
pub(super) struct AskedTrials {
    sweep: SweepId,
    conditions: Vec<Condition>,
    /// None: in any state.
    state: Option<TrialState>,
}

/// A trial's state on the wire.
pub(super) fn state(view: &TrialView) -> TrialState {
    match view {
        TrialView::Waiting => TrialState::Waiting,
        TrialView::Leased { .. } => TrialState::Leased,
        TrialView::Parked { .. } => TrialState::Parked,
        TrialView::Finished => TrialState::Finished,
        TrialView::Failed => TrialState::Failed,
        TrialView::Stopped => TrialState::Stopped,
        TrialView::Cancelled => TrialState::Cancelled,
    }
}

impl Link {
    /// What a request asks for.
    pub(super) async fn asked_trials(&self, request: TrialsRequest) -> Result<AskedTrials, Status> {
        let state = match request.state {
            0 => None,
            number => Some(TrialState::of_wire(number).map_err(unknown)?),
        };
        Ok(AskedTrials {
            conditions: check::conditions(&request.ann, &request.region, &request.filters)?,
            sweep: self.find(request.sweep).await?,
            state,
        })
    }

    /// Sends the trials that were asked for, a stretch at a time.
    pub(super) async fn send_trials(
        &self,
        asked: &AskedTrials,
        sender: &mpsc::Sender<Result<TrialRecord, Status>>,
    ) -> Result<(), Status> {
        for number in 0.. {
            let Some(stretch) = self.stretch(asked, number, 0).await? else {
                break;
            };
            for (_, record) in stretch {
                if sender.send(Ok(record)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    pub(super) async fn list_trials(
        &self,
        request: ListTrialsRequest,
    ) -> Result<ListTrialsReply, Status> {
        let mut question = request.trials.unwrap_or_default();
        let asked = self.asked_trials(question.clone()).await?;
        question.sweep = asked.sweep.to_string();
        let begin = pages::position(&question, &request.page_token)?.unwrap_or(0);
        let begin = begin as u64;
        // The stretch, and the first of its trials that was not looked at.
        let (first, mut skip) = ((begin >> 32) as u32, begin as u32);
        let size = match request.page_size {
            0 => PAGE_TRIALS,
            size => size,
        };
        let mut page = Page::new(size, PAGE_TRIALS_MAX);
        let last = first.saturating_add(PAGE_STRETCHES_MAX);
        let mut next = Some((last, 0));
        'stretches: for number in first..last {
            let Some(stretch) = self.stretch(&asked, number, skip).await? else {
                next = None;
                break;
            };
            skip = 0;
            for (place, record) in stretch {
                let (id, bytes) = (record.id.clone(), pages::bytes(&record));
                if page.push(record) {
                    continue;
                }
                if page.entries.is_empty() {
                    return Err(pages::too_large(&format!("trial {id}"), bytes));
                }
                next = Some((number, place));
                break 'stretches;
            }
        }
        let position = |(stretch, place): (u32, u32)| (u64::from(stretch) << 32) | u64::from(place);
        let next = next.map(position).map(u128::from);
        Ok(ListTrialsReply {
            trials: page.entries,
            next_page_token: next.map_or_else(String::new, |next| pages::token(&question, next)),
        })
    }

    /// The trials of one stretch of a sweep that were asked for, each with its place in the
    /// stretch, from place `first`; none behind the last stretch.
    async fn stretch(
        &self,
        asked: &AskedTrials,
        number: u32,
        first: u32,
    ) -> Result<Option<Vec<(u32, TrialRecord)>>, Status> {
        let AskedTrials {
            sweep, conditions, ..
        } = asked.clone();
        let stretch = self.query(move |index| {
            let Some(trials) = index.stretch(sweep, number)? else {
                return Ok(None);
            };
            let mut records = Vec::with_capacity(trials.len());
            for (place, trial) in (0..).zip(trials).skip(first as usize) {
                let record = index.trial(trial)?;
                let record = record.filter(|record| conditions.iter().all(|c| c.holds(record)));
                records.extend(record.map(|record| (place, trial, record)));
            }
            Ok(Some(records))
        });
        let Some(mut stretch) = stretch.await? else {
            return Ok(None);
        };
        self.add_states(sweep, &mut stretch).await?;
        let stretch = stretch.into_iter();
        let asked = stretch
            .filter(|(_, _, record)| {
                asked
                    .state
                    .is_none_or(|state| state.to_wire() == record.state)
            })
            .map(|(place, _, record)| (place, record));
        Ok(Some(asked.collect()))
    }

    /// Adds the state of trials without an outcome, and of stopped ones, which are open for a sweep
    /// without early stopping.
    async fn add_states(
        &self,
        sweep: SweepId,
        records: &mut [(u32, TrialId, TrialRecord)],
    ) -> Result<(), Status> {
        let is_open =
            |record: &TrialRecord| [recorded::OPEN, recorded::STOPPED].contains(&record.state);
        let open = records.iter().filter(|(_, _, record)| is_open(record));
        let trials: Vec<_> = open.map(|(_, trial, _)| *trial).collect();
        if trials.is_empty() {
            return Ok(());
        }
        let ask = |reply| ClientCommand::Trials {
            sweep,
            trials,
            reply,
        };
        let views = self.ask(ask).await?;
        let open = records.iter_mut().filter(|(_, _, record)| is_open(record));
        for ((_, _, record), view) in open.zip(views) {
            let state = match view {
                Some(TrialView::Leased { worker }) => {
                    record.worker = worker;
                    TrialState::Leased
                }
                Some(TrialView::Parked { hindered }) => {
                    record.reason = hindered_words(&hindered);
                    TrialState::Parked
                }
                Some(TrialView::Cancelled) => TrialState::Cancelled,
                Some(TrialView::Stopped) => TrialState::Stopped,
                // Its outcome came between the two questions: it was still open a moment ago.
                Some(TrialView::Waiting | TrialView::Finished | TrialView::Failed) | None => {
                    TrialState::Waiting
                }
            };
            record.state = state.to_wire();
        }
        Ok(())
    }
}
