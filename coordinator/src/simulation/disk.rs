//! A disk that keeps only what was synced: a power failure loses any part of the rest, tears it at
//! any byte, or leaves zeros in its place. Syncs fail, space runs out, and the process may die in
//! the middle of any step.
//!
//! The model does not include parts that reach the disk out of order, with a hole before them.

use super::dice::Dice;
use crate::store::{Append, Files};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Cursor};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Ways in which a disk is broken on purpose. A simulation on such a disk must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// A sync does nothing.
    Sync,
    /// A file is never truncated.
    Truncate,
    /// Writing the end of a file again does nothing.
    Rewrite,
    /// An opened file is synced only after something was appended.
    SyncAtStart,
}

/// How often things go wrong, in thousandths of the steps in which they can go wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    pub(super) die: u64,
    pub(super) full: u64,
    pub(super) sync: u64,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

struct Platter {
    dice: Dice,
    lie: Option<Lie>,
    faults: Option<Faults>,
    files: Vec<File>,
    /// The files as the running system sees them.
    names: Names,
    durable_names: Names,
    /// The names after each step since the last sync of names.
    unsynced_names: Vec<Names>,
    /// The process that uses the disk has died, so nothing more reaches it.
    dead: bool,
    full: bool,
    counts: Counts,
}

type Names = BTreeMap<String, usize>;

/// Counts of what has happened.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) syncs: u64,
    pub(super) failed_syncs: u64,
    pub(super) full: u64,
    pub(super) died_within: u64,
    pub(super) torn: u64,
}

#[derive(Default)]
struct File {
    /// The content as the running system sees it.
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// The length of the prefix in which both contents agree.
    same: usize,
    /// Parts that a failed sync left: the system treats them as written, and they are not.
    stuck: Vec<Range<usize>>,
}

impl Disk {
    pub(super) fn new(seed: u64, lie: Option<Lie>) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            dice: Dice::new(seed, 1),
            lie,
            faults: None,
            files: Vec::new(),
            names: Names::new(),
            durable_names: Names::new(),
            unsynced_names: Vec::new(),
            dead: false,
            full: false,
            counts: Counts::default(),
        })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("no holder panics")
    }

    pub(super) fn set_faults(&self, faults: Option<Faults>) {
        let mut platter = self.platter();
        platter.faults = faults;
        platter.full &= faults.is_some();
    }

    /// Frees space.
    pub(super) fn free(&self) {
        self.platter().full = false;
    }

    /// Whether the process died within a step since the last call. Another process may use the disk
    /// afterwards.
    pub(super) fn revive(&self) -> bool {
        std::mem::take(&mut self.platter().dead)
    }

    pub(super) fn counts(&self) -> Counts {
        self.platter().counts
    }

    /// The file that a power failure at this moment is sure to leave: its identity and its content.
    pub(super) fn durable(&self, name: &str) -> Option<(usize, Vec<u8>)> {
        let platter = self.platter();
        let number = *platter.durable_names.get(name)?;
        Some((number, platter.files[number].durable.clone()))
    }

    /// The power fails and returns.
    pub(super) fn lose_power(&self) {
        let platter = &mut *self.platter();
        let steps = platter.unsynced_names.len() as u64;
        let kept = platter.dice.below(steps + 1) as usize;
        if kept > 0 {
            platter.durable_names = platter.unsynced_names.swap_remove(kept - 1);
        }
        platter.unsynced_names.clear();
        platter.names.clone_from(&platter.durable_names);
        for file in &mut platter.files {
            file.lose_power(&mut platter.dice, &mut platter.counts);
        }
    }
}

impl File {
    fn sync(&mut self) {
        self.durable.truncate(self.same);
        self.durable.extend_from_slice(&self.seen[self.same..]);
        for stuck in self.stuck.drain(..) {
            self.durable[stuck].fill(0);
        }
        self.same = self.seen.len();
    }

    fn fail_sync(&mut self) {
        self.stuck.push(self.same..self.seen.len());
    }

    /// What a failed sync left must be written again.
    fn rewrite(&mut self, from: usize) {
        for stuck in &mut self.stuck {
            stuck.end = stuck.end.min(from);
        }
        self.stuck.retain(|stuck| stuck.start < stuck.end);
    }

    fn truncate(&mut self, bytes: usize) {
        self.seen.truncate(bytes);
        self.same = self.same.min(bytes);
        for stuck in &mut self.stuck {
            stuck.end = stuck.end.min(bytes);
        }
        self.stuck.retain(|stuck| stuck.start < stuck.end);
    }

    fn lose_power(&mut self, dice: &mut Dice, counts: &mut Counts) {
        let shortened = self.same < self.durable.len();
        let unsynced = &self.seen[self.same..];
        if !(shortened && dice.chance(500)) {
            let kept = dice.below(unsynced.len() as u64 + 1) as usize;
            counts.torn += u64::from(kept > 0 && kept < unsynced.len());
            self.durable.truncate(self.same);
            self.durable.extend_from_slice(&unsynced[..kept]);
            if dice.chance(200) {
                let zeros = dice.below((unsynced.len() - kept) as u64 + 1) as usize;
                self.durable.resize(self.durable.len() + zeros, 0);
            }
        }
        self.seen.clone_from(&self.durable);
        self.same = self.seen.len();
        self.stuck.clear();
    }
}

/// The result of a step.
enum Step {
    Whole,
    /// The process died before the step ended.
    Dies,
    Fails(io::ErrorKind),
}

impl Platter {
    /// Draws the result of a step that can also fail in its own way.
    fn step(&mut self, failure: impl FnOnce(&mut Self, Faults) -> Option<io::ErrorKind>) -> Step {
        if self.dead {
            return Step::Fails(io::ErrorKind::BrokenPipe);
        }
        let Some(faults) = self.faults else {
            return Step::Whole;
        };
        if let Some(kind) = failure(self, faults) {
            return Step::Fails(kind);
        }
        if self.dice.chance(faults.die) {
            self.dead = true;
            self.counts.died_within += 1;
            return Step::Dies;
        }
        Step::Whole
    }

    /// A step that happens completely or not at all.
    fn simple(&mut self, act: impl FnOnce(&mut Self)) -> io::Result<()> {
        match self.step(|_, _| None) {
            Step::Whole => {
                act(self);
                Ok(())
            }
            Step::Dies => {
                if self.dice.chance(500) {
                    act(self);
                }
                Err(died())
            }
            Step::Fails(kind) => Err(kind.into()),
        }
    }

    fn append(&mut self, number: usize, bytes: &[u8]) -> io::Result<()> {
        let full = |platter: &mut Self, faults: Faults| {
            let fills = platter.dice.chance(faults.full);
            platter.full |= fills;
            platter.full.then_some(io::ErrorKind::StorageFull)
        };
        let step = self.step(full);
        let part = self.dice.below(bytes.len() as u64 + 1) as usize;
        let seen = &mut self.files[number].seen;
        match step {
            Step::Whole => {
                seen.extend_from_slice(bytes);
                Ok(())
            }
            Step::Dies => {
                seen.extend_from_slice(&bytes[..part]);
                Err(died())
            }
            Step::Fails(kind) => {
                if kind == io::ErrorKind::StorageFull {
                    seen.extend_from_slice(&bytes[..part]);
                    self.counts.full += 1;
                }
                Err(kind.into())
            }
        }
    }

    fn sync(&mut self, number: usize, appended: bool) -> io::Result<()> {
        let fails = |platter: &mut Self, faults: Faults| {
            let fails = platter.dice.chance(faults.sync);
            fails.then_some(io::ErrorKind::Other)
        };
        let lies = match self.lie {
            Some(Lie::Sync) => true,
            Some(Lie::SyncAtStart) => !appended,
            Some(Lie::Truncate | Lie::Rewrite) | None => false,
        };
        let step = self.step(fails);
        let lucky = self.dice.chance(500);
        let file = &mut self.files[number];
        match step {
            Step::Whole if lies => Ok(()),
            Step::Whole => {
                self.counts.syncs += 1;
                file.sync();
                Ok(())
            }
            Step::Dies => {
                if lucky && !lies {
                    file.sync();
                }
                Err(died())
            }
            Step::Fails(kind) => {
                if kind == io::ErrorKind::Other {
                    file.fail_sync();
                    self.counts.failed_syncs += 1;
                }
                Err(kind.into())
            }
        }
    }

    fn named(&mut self, change: impl FnOnce(&mut Names)) {
        change(&mut self.names);
        self.unsynced_names.push(self.names.clone());
    }
}

fn died() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// An open file.
struct Handle {
    disk: Disk,
    number: usize,
    appended: bool,
}

impl Append for Handle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.appended = true;
        self.disk.platter().append(self.number, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.platter().sync(self.number, self.appended)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let number = self.number;
        let mut platter = self.disk.platter();
        platter.simple(|platter| {
            if platter.lie != Some(Lie::Truncate) {
                platter.files[number].truncate(bytes as usize);
            }
        })
    }
}

impl Files for Disk {
    fn path(&self, name: &str) -> PathBuf {
        Path::new("simulated").join(name)
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(self.platter().names.contains_key(name))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead + Send>> {
        let platter = self.platter();
        let number = *platter.names.get(name).ok_or_else(missing)?;
        Ok(Box::new(Cursor::new(platter.files[number].seen.clone())))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        let mut platter = self.platter();
        let number = platter.files.len();
        platter.files.push(File::default());
        platter.simple(|platter| {
            platter.named(|names| names.extend([(name.to_owned(), number)]));
        })?;
        Ok(Box::new(Handle {
            disk: self.clone(),
            number,
            appended: false,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Append>> {
        let number = *self.platter().names.get(name).ok_or_else(missing)?;
        Ok(Box::new(Handle {
            disk: self.clone(),
            number,
            appended: false,
        }))
    }

    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        let mut platter = self.platter();
        let number = *platter.names.get(name).ok_or_else(missing)?;
        platter.simple(|platter| {
            if platter.lie != Some(Lie::Rewrite) {
                platter.files[number].rewrite(from as usize);
            }
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut platter = self.platter();
        if !platter.names.contains_key(from) {
            return Err(missing());
        }
        platter.simple(|platter| {
            platter.named(|names| {
                let number = names.remove(from);
                names.extend(number.map(|number| (to.to_owned(), number)));
            });
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut platter = self.platter();
        if !platter.names.contains_key(name) {
            return Ok(());
        }
        platter.simple(|platter| {
            platter.named(|names| {
                names.remove(name);
            });
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.platter().simple(|platter| {
            if platter.lie != Some(Lie::Sync) {
                platter.durable_names.clone_from(&platter.names);
                platter.unsynced_names.clear();
            }
        })
    }
}
