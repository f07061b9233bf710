//! Reports and retractions: what comes of trials, and what is taken back.

use super::{Driver, Report, Unretractable};
use crate::scheduler::{Action, Attempt, Event, Refused, TrialId, TrialView, Verdict};
use nrp_proto::SITES_MAX;

impl Driver {
    /// Takes in what an attempt at a trial ended with.
    pub(super) fn report(&mut self, report: Report) -> Verdict {
        if let Err(refused) = self.check_sites(&report) {
            return Verdict::Refused(refused);
        }
        let Report {
            worker,
            lease,
            trial,
            mut attempt,
            region: _,
        } = report;
        if let Attempt::Finished(scores) = &mut attempt {
            scores.recorded_at_ms = self.clock.wall_ms();
        }
        let actions = self.tell(Event::OutcomeReported {
            worker,
            lease,
            trial,
            attempt,
        });
        let mut verdicts = actions.into_iter().filter_map(|action| match action {
            Action::ReplyVerdict(verdict) => Some(verdict),
            Action::Record(_)
            | Action::GrantLease(_)
            | Action::NothingToDo
            | Action::Refuse(_)
            | Action::ReplyRung { .. }
            | Action::RefuseRung(_)
            | Action::Fence { .. } => None,
        });
        verdicts.next_back().expect("a report is always answered")
    }

    /// Scores are of the sites that the trial's sweeps say its region has, where they say so.
    fn check_sites(&self, report: &Report) -> Result<(), Refused> {
        let Attempt::Finished(scores) = &report.attempt else {
            return Ok(());
        };
        let sweeps = self.core.sweeps_with(report.trial);
        let specs = sweeps.filter_map(|sweep| self.catalogue.get(sweep));
        let mut sites = specs.flat_map(|spec| &spec.sites);
        let of_region = sites.find(|of| of.region == report.region && !of.names.is_empty());
        let Some(named) = of_region.map(|of| of.names.len()) else {
            return Ok(());
        };
        // Of a larger region, no more are named.
        let found = scores.sites;
        match found as usize == named || named == SITES_MAX && found as usize > named {
            true => Ok(()),
            false => Err(Refused::Sites {
                found,
                expected: named as u32,
            }),
        }
    }

    /// Takes outcomes back, if every one of the trials has one; where the trials are then.
    pub(super) fn retract(
        &mut self,
        trials: Vec<TrialId>,
        reason: String,
    ) -> Result<Vec<TrialView>, Unretractable> {
        for trial in &trials {
            let trial = *trial;
            let retractable = self.core.retractable(trial);
            retractable.map_err(|why| Unretractable { trial, why })?;
        }
        self.tell(Event::OutcomesRetracted {
            trials: trials.clone(),
            reason,
        });
        let views = trials.into_iter();
        let views = views.filter_map(|trial| self.core.trial(None, trial));
        Ok(views.collect())
    }
}
