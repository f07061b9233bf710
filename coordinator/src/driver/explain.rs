//! Why trials wait, in words. The scheduler finds the reasons.

use super::{Driver, LookupError};
use crate::scheduler::{
    ATTEMPTS_MAX, HinderedTrials, LOSSES_MAX, SweepId, SweepWhy, TrialId, TrialWhy, Waits,
};
use nrp_proto::state::Why;
use nrp_proto::wire::{ExplainReply, Explanation};

impl Driver {
    /// Explains the trial of this id or, failing that, the sweep that `asked` names.
    pub(super) fn explain(&self, asked: &str) -> Result<ExplainReply, LookupError> {
        let now_ms = self.clock.now_ms();
        if let Ok(id) = asked.parse::<TrialId>() {
            let why = self.core.explain_trial(now_ms, id);
            let why = why.ok_or_else(|| LookupError::NoTrial {
                asked: asked.to_owned(),
            })?;
            return Ok(ExplainReply {
                trial: id.to_string(),
                explanations: vec![self.trial_words(&why)],
                ..ExplainReply::default()
            });
        }
        let id = self.catalogue.find(asked)?;
        let why = self.core.explain_sweep(now_ms, id);
        let why = why.expect("the catalogue follows the scheduler");
        Ok(ExplainReply {
            sweep: id.to_string(),
            name: self.name_of(id),
            explanations: self.sweep_words(&why),
            ..ExplainReply::default()
        })
    }

    fn name_of(&self, id: SweepId) -> String {
        let spec = self.catalogue.get(id);
        spec.map_or_else(|| id.to_string(), |spec| spec.name.clone())
    }

    /// Why trials wait, and the sentence that says so.
    fn waits_words(&self, why: &Waits) -> (Why, String) {
        match why {
            Waits::Paused => (
                Why::Paused,
                "the sweep is paused; `nrp sweep resume` takes it up again".to_owned(),
            ),
            Waits::NoWorker => (
                Why::NoWorker,
                "there is no worker; `nrp worker` starts one".to_owned(),
            ),
            Waits::Behind { sweep, priority } => {
                let name = self.name_of(*sweep);
                let text = format!("sweep `{name}` of priority {priority} goes first");
                (Why::Behind, text)
            }
            Waits::Busy { workers: 1 } => (Why::Busy, "the only worker is busy".to_owned()),
            Waits::Busy { workers } => (Why::Busy, format!("all {workers} workers are busy")),
            Waits::Held { worker, for_ms } => {
                let seconds = seconds(*for_ms);
                let text = format!(
                    "left to worker `{worker}`, which has the activations, for {seconds} more"
                );
                (Why::Held, text)
            }
            Waits::Hindered { by, others } => {
                let left = match others {
                    0 => String::new(),
                    1 => "; left to the one other worker, which is busy".to_owned(),
                    others => format!("; left to the {others} other workers, which are busy"),
                };
                (Why::Hindered, format!("{}{left}", hindered_words(by)))
            }
            Waits::Next => (
                Why::Next,
                "a worker is idle and gets them with its next request".to_owned(),
            ),
        }
    }

    fn sweep_words(&self, why: &SweepWhy) -> Vec<Explanation> {
        let counts = why.counts;
        let due = match why.next_attempt_ms {
            Some(ms) => format!(", the first of them for {} more", seconds(ms)),
            None => String::new(),
        };
        let mut words = vec![
            explanation(Why::Finished, counts.finished, "have scores"),
            explanation(
                Why::Failed,
                counts.failed,
                "were set aside; `nrp trials --in-state failed` says why",
            ),
            explanation(Why::Stopped, counts.stopped, "were stopped early"),
            explanation(Why::Cancelled, counts.cancelled, "are cancelled"),
            explanation(Why::Leased, counts.leased, "are with workers"),
            explanation(
                Why::BackingOff,
                why.backing_off,
                format!("back off after a failed attempt{due}"),
            ),
        ];
        words.extend(why.waits.iter().map(|(waits, trials)| {
            let (word, text) = self.waits_words(waits);
            explanation(word, *trials, format!("wait: {text}"))
        }));
        words.extend(why.parked.iter().map(|hindered| {
            let text = format!(
                "are parked, since no worker can run them: {}; `nrp sweep resume` tries again",
                hindered_words(std::slice::from_ref(hindered))
            );
            explanation(Why::Parked, hindered.parked, text)
        }));
        words.push(explanation(
            Why::Alone,
            why.suspects,
            "of these run alone: more than one worker was lost with them",
        ));
        words.retain(|explanation| explanation.trials > 0);
        words
    }

    fn trial_words(&self, why: &TrialWhy) -> Explanation {
        match why {
            TrialWhy::Waits { why, losses } => {
                let (word, text) = self.waits_words(why);
                let text = match losses {
                    0 => format!("waits: {text}"),
                    losses => format!(
                        "waits, to run alone since its worker was lost {losses} times of \
                         {LOSSES_MAX}: {text}"
                    ),
                };
                explanation(word, 1, text)
            }
            TrialWhy::BackingOff { attempts, for_ms } => {
                let seconds = seconds(*for_ms);
                let text = format!(
                    "backs off for {seconds} more after failed attempt {attempts} of {ATTEMPTS_MAX}"
                );
                explanation(Why::BackingOff, 1, text)
            }
            TrialWhy::Leased {
                worker,
                for_ms,
                copy,
            } => {
                let copy = copy.as_ref().map(|copy| format!(", and `{copy}` a copy"));
                let text = format!(
                    "worker `{worker}` has had it for {}{}",
                    seconds(*for_ms),
                    copy.unwrap_or_default()
                );
                explanation(Why::Leased, 1, text)
            }
            TrialWhy::Parked { by } => {
                let text = format!(
                    "is parked, since no worker can run it: {}; `nrp sweep resume` tries again",
                    hindered_words(by)
                );
                explanation(Why::Parked, 1, text)
            }
            TrialWhy::Finished => explanation(Why::Finished, 1, "has scores"),
            TrialWhy::Failed => explanation(Why::Failed, 1, "was set aside"),
            TrialWhy::Stopped => explanation(Why::Stopped, 1, "was stopped early"),
            TrialWhy::Cancelled => {
                explanation(Why::Cancelled, 1, "is cancelled: no sweep needs it")
            }
        }
    }
}

fn explanation(why: Why, trials: u64, text: impl Into<String>) -> Explanation {
    Explanation {
        why: why.to_wire(),
        trials,
        text: text.into(),
    }
}

/// A remaining time, rounded up so that it is never 0 too early.
fn seconds(ms: u64) -> String {
    format!("{} s", ms.div_ceil(1_000))
}

/// Which workers cannot run something, why, and what to do about it.
pub(crate) fn hindered_words(by: &[HinderedTrials]) -> String {
    let one = |hindered: &HinderedTrials| {
        let workers: Vec<_> = hindered
            .workers
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let workers = workers.join(", ");
        let plural = if hindered.workers.len() == 1 {
            "worker"
        } else {
            "workers"
        };
        let hint = match hindered.hint.as_str() {
            "" => String::new(),
            hint => format!(" ({hint})"),
        };
        format!("{plural} {workers}: {}{hint}", hindered.reason)
    };
    by.iter().map(one).collect::<Vec<_>>().join("; ")
}
