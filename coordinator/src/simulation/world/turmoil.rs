//! Turmoil: what clients do, what goes wrong, and how it ends.

use super::{Happening, TURMOIL_MS, World};
use crate::simulation::call::{Ask, Call, ClientAsk, Node};
use crate::simulation::network::Way;

impl World {
    pub(super) fn act_client(&mut self, number: usize) {
        if self.calm {
            return;
        }
        let sweep = self.dice.below(self.sweeps.len() as u64) as usize;
        let ask = match self.dice.below(100) {
            0..40 => ClientAsk::Submit(sweep),
            40..50 => ClientAsk::Cancel(sweep),
            50..65 => ClientAsk::Resume(sweep),
            65..72 => ClientAsk::Pause(sweep),
            72..80 => ClientAsk::Prioritise(sweep, self.dice.below(3) as i32),
            _ => ClientAsk::Status(sweep),
        };
        self.call(Node::Client(number), Ask::Client(ask));
        let in_ms = self.dice.between(100, 5_000);
        self.enter(in_ms, Happening::ClientActs(number));
    }

    pub(super) fn do_mischief(&mut self) {
        if self.calm {
            return;
        }
        let worker = self.dice.below(self.workers.len() as u64) as usize;
        match self.dice.below(100) {
            0..15 => self.lose_host(false),
            15..25 => self.lose_host(true),
            25..45 if self.workers[worker].up => self.lose_worker(worker),
            45..55 => {
                self.counts.drains += 1;
                self.workers[worker].leave();
                self.enter(0, Happening::WorkerActs(worker));
            }
            55..80 => {
                let node = Node::Worker(worker);
                let ways: &[Way] = match self.dice.below(3) {
                    0 => &[Way::There],
                    1 => &[Way::Back],
                    _ => &[Way::There, Way::Back],
                };
                self.network.cut(node, ways);
                let in_ms = self.dice.between(500, 12_000);
                self.enter(in_ms, Happening::Healed(node));
            }
            80..85 => {
                self.counts.held_up += 1;
                self.host_sleeps_ms = self.now_ms + self.dice.between(500, 10_000);
            }
            _ => {}
        }
        let in_ms = self.dice.between(200, 4_000);
        self.enter(in_ms, Happening::Mischief);
    }

    /// Faults cease. Clients resume some of the cancelled or paused sweeps.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        self.network.calm_down();
        self.disk.set_faults(None);
        for poison in &mut self.poisons {
            poison.mended |= poison.passes;
        }
        self.enter(0, Happening::HostStarts);
        for number in 0..self.workers.len() {
            self.enter(0, Happening::WorkerStarts(number));
        }
        for number in 0..self.sweeps.len() {
            if number == 0 || self.dice.chance(700) {
                // After a coordinator that was away has returned.
                self.ask_in(10_000, ClientAsk::Submit(number));
                self.ask_in(20_000, ClientAsk::Resume(number));
            }
        }
    }

    fn ask_in(&mut self, in_ms: u64, ask: ClientAsk) {
        self.calls += 1;
        let call = Call {
            id: self.calls,
            from: Node::Client(0),
            ask: Ask::Client(ask),
        };
        self.enter(in_ms, Happening::Asked(call));
    }

    /// The sweeps' defects are repaired, and a client resumes all of them.
    pub(in crate::simulation) fn mend(&mut self) {
        for poison in &mut self.poisons {
            poison.mended = true;
        }
        for number in 0..self.sweeps.len() {
            self.ask_in(10, ClientAsk::Resume(number));
        }
        self.ends_after_ms = self.now_ms + 5_000;
    }

    /// Faults cease, and a client submits and resumes all sweeps.
    pub(in crate::simulation) fn submit_all_at_calm(&mut self) {
        for number in 0..self.sweeps.len() {
            self.ask_in(TURMOIL_MS + 10_000, ClientAsk::Submit(number));
            self.ask_in(TURMOIL_MS + 20_000, ClientAsk::Resume(number));
        }
    }
}
