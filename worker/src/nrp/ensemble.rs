//! Ensembles: networks of one trial that differ in their initial weights and dropout. Their
//! predictions are averaged; each network stops at its own best epoch.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::{Best, Lane};
use super::watch::Watch;

/// The state of trials, beyond that of their lanes.
#[derive(Default)]
pub(super) struct Ensembles {
    /// Whether the caller lets a trial begin, once it was asked.
    begun: BTreeMap<usize, bool>,
    /// Networks that have ended, by trial and number, with the epochs they trained. Only of trials
    /// with several networks.
    ended: BTreeMap<usize, BTreeMap<usize, (Best, usize)>>,
    /// Trials that have ended: with all their networks, or with one that failed or was stopped.
    over: BTreeSet<usize>,
}

impl Ensembles {
    /// Whether a lane begins. The caller is asked once per trial.
    pub(super) fn begins(&mut self, lane: &Lane, watch: &mut dyn Watch) -> bool {
        let begun = self.begun.entry(lane.trial);
        *begun.or_insert_with(|| watch.on_start(lane.trial).is_continue())
            && !self.over.contains(&lane.trial)
    }

    /// Whether a lane's trial has already ended.
    pub(super) fn has_ended(&self, lane: &Lane) -> bool {
        self.over.contains(&lane.trial)
    }

    /// Ends a lane's trial; the trial's other lanes leave too.
    pub(super) fn end(&mut self, lane: &Lane) {
        self.over.insert(lane.trial);
        self.ended.remove(&lane.trial);
    }

    /// Takes what a lane ended with. Once all of its trial's lanes have ended, returns their mean
    /// prediction with its `loss`, the latest of their best epochs, and the largest number of
    /// epochs trained.
    pub(super) fn join(
        &mut self,
        lane: &Lane,
        best: Best,
        epochs: usize,
        loss: impl FnOnce(&[f32]) -> f64,
    ) -> Option<(Best, usize)> {
        let (number, networks) = lane.network;
        if networks == 1 {
            return Some((best, epochs));
        }
        let ended = self.ended.entry(lane.trial).or_default();
        ended.insert(number, (best, epochs));
        if ended.len() < networks {
            return None;
        }
        let ended = self.ended.remove(&lane.trial)?;
        let mean = |of: fn(&Best) -> &[f32]| {
            let cells = 0..of(&ended[&0].0).len();
            let sum = |cell| {
                let predicted = ended.values().map(|(best, _)| f64::from(of(best)[cell]));
                predicted.sum::<f64>()
            };
            let mean = cells.map(|cell| (sum(cell) / networks as f64) as f32);
            mean.collect::<Vec<f32>>()
        };
        let of_validation = mean(|best| &best.of_validation);
        let of_test = mean(|best| &best.of_test);
        let last = |of: fn(&(Best, usize)) -> usize| ended.values().map(of).max();
        let best = Best {
            epoch: last(|(best, _)| best.epoch)?,
            validation_mse: loss(&of_validation),
            of_validation,
            of_test,
        };
        Some((best, last(|(_, epochs)| *epochs)?))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::engine::Engine;
    use super::super::train_tests::{World, limits, nonlinear, protocol, trial};
    use super::super::trial::Trial;
    use super::super::watch::{EpochReport, Trained};

    /// The reports of first networks, and what the trials ended with.
    fn train(trials: &[Trial]) -> (Vec<(usize, EpochReport)>, Vec<Trained>) {
        let world = World::new(&[12, 8], 4, 0.5, nonlinear);
        let mut reports = Vec::new();
        let ended = world.fuse(limits(), trials, &protocol(), &mut |trial, report| {
            if report.network == 0 {
                reports.push((trial, report));
            }
            ControlFlow::Continue(())
        });
        let ended = ended.expect("trains").into_iter();
        (reports, ended.map(|ended| ended.expect("scores")).collect())
    }

    #[test]
    fn an_ensemble_is_better_than_its_first_network_and_the_same_beside_others() {
        let one = trial();
        let five = Trial {
            ensemble: 5,
            ..trial()
        };
        let (reports, alone) = train(std::slice::from_ref(&one));
        let (of_ensemble, five_alone) = train(std::slice::from_ref(&five));
        // Bit for bit on the host; on a device rounding depends on the number of lanes.
        let (epochs, tolerance) = match limits().engine {
            Engine::Host => (usize::MAX, 0.0),
            Engine::Device => (3, 5e-2),
        };
        let losses = |reports: &[(usize, EpochReport)]| {
            let losses = reports.iter().map(|(_, report)| report.validation_mse);
            losses.take(epochs).collect::<Vec<_>>()
        };
        let (losses, of_first) = (losses(&reports), losses(&of_ensemble));
        assert_eq!(losses.len(), of_first.len());
        for (one, first) in losses.iter().zip(of_first) {
            assert!((one / first - 1.0).abs() <= tolerance, "{one} {first}");
        }
        assert!(five_alone[0].validation_mse < alone[0].validation_mse);
        assert!(five_alone[0].test.scores.nrp_error < alone[0].test.scores.nrp_error);
        let (_, together) = train(&[one, five]);
        assert_eq!(together.len(), 2);
        for (together, alone) in together.iter().zip([&alone[0], &five_alone[0]]) {
            let off = together.test.scores.nrp_error / alone.test.scores.nrp_error - 1.0;
            assert!(off.abs() <= tolerance, "{off}");
        }
    }

    #[test]
    fn a_network_that_fails_ends_its_trial_once_and_no_other() {
        let wild = Trial {
            learning_rate: 1e12,
            ensemble: 3,
            ..trial()
        };
        let world = World::new(&[12, 8], 4, 0.5, nonlinear);
        let mut goes_on = |_, _| ControlFlow::Continue(());
        let ended = world.fuse(limits(), &[wild, trial()], &protocol(), &mut goes_on);
        let ended = ended.expect("the machine is well");
        assert!(ended[0].is_err() && ended[1].is_ok());
    }

    #[test]
    fn who_stops_an_ensemble_stops_all_of_it() {
        let three = Trial {
            ensemble: 3,
            ..trial()
        };
        let world = World::new(&[12, 8], 4, 0.5, nonlinear);
        let mut heard = 0;
        let ended = world.fuse(limits(), &[three], &protocol(), &mut |_, _| {
            heard += 1;
            ControlFlow::Break(())
        });
        let ended = ended.expect("the machine is well");
        assert!(matches!(
            ended[0],
            Err(super::super::TrainError::Interrupted { epoch: 1 })
        ));
        assert_eq!(heard, 1);
    }
}
