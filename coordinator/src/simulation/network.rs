//! The network between the coordinator and all other processes: slow, lossy, and sometimes cut in
//! one direction or both. A message may arrive twice, and later than a message that was sent after
//! it.

use super::call::Node;
use super::dice::Dice;
use std::collections::BTreeSet;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// To the coordinator.
    There,
    /// From the coordinator.
    Back,
}

#[derive(Default)]
pub(super) struct Network {
    cut: BTreeSet<(Node, Way)>,
    calm: bool,
    pub(super) counts: Counts,
}

/// Counts of what happened to messages.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) dropped: u64,
    pub(super) cut_off: u64,
    pub(super) doubled: u64,
    pub(super) delayed: u64,
    pub(super) partitions: u64,
}

impl Network {
    /// From now on the network only delays messages.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        self.cut.clear();
    }

    pub(super) fn cut(&mut self, node: Node, ways: &[Way]) {
        self.counts.partitions += 1;
        self.cut.extend(ways.iter().map(|way| (node, *way)));
    }

    pub(super) fn heal(&mut self, node: Node) {
        self.cut.retain(|(cut, _)| *cut != node);
    }

    /// The delays after which a message arrives: none, one or two.
    pub(super) fn delays_ms(&mut self, dice: &mut Dice, node: Node, way: Way) -> Vec<u64> {
        self.counts.sent += 1;
        if self.calm {
            return vec![dice.between(1, 5)];
        }
        if self.cut.contains(&(node, way)) {
            self.counts.cut_off += 1;
            return Vec::new();
        }
        if dice.chance(30) {
            self.counts.dropped += 1;
            return Vec::new();
        }
        let mut delays = vec![self.delay_ms(dice)];
        if dice.chance(30) {
            self.counts.doubled += 1;
            delays.push(self.delay_ms(dice));
        }
        delays
    }

    fn delay_ms(&mut self, dice: &mut Dice) -> u64 {
        if dice.chance(50) {
            self.counts.delayed += 1;
            dice.between(100, 5_000)
        } else {
            dice.between(1, 20)
        }
    }
}
