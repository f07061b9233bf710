//! The driver's inbox. What workers report may wait for the disk, and does so here; questions, and
//! requests for jobs, go ahead of it, so that a worker with nothing to do waits for one sync or two
//! and not for the outcomes of all others. What one worker reports stays in order.

use super::command::Command;
use super::workers::WorkerCommand;
use std::collections::VecDeque;
use tokio::sync::mpsc::Receiver;

/// Most commands that are taken in at once.
const COMMANDS_AT_ONCE: usize = 1_024;

/// Most reports that wait here; further commands then wait in front of the driver.
const REPORTS_MAX: usize = 4_096;

/// Commands for the driver.
pub(super) struct Inbox {
    commands: Receiver<Command>,
    received: Vec<Command>,
    /// What may wait, in order.
    reports: VecDeque<Command>,
    /// Whether no more commands come.
    is_over: bool,
}

impl Inbox {
    pub(super) fn new(commands: Receiver<Command>) -> Self {
        Self {
            commands,
            received: Vec::with_capacity(COMMANDS_AT_ONCE),
            reports: VecDeque::new(),
            is_over: false,
        }
    }

    /// Waits until there is something to do. Safe to cancel.
    pub(super) async fn wait(&mut self) {
        if !self.reports.is_empty() || self.is_over {
            return;
        }
        let received = &mut self.received;
        self.is_over = self.commands.recv_many(received, COMMANDS_AT_ONCE).await == 0;
    }

    /// The commands that have come and go first.
    pub(super) fn urgent(&mut self) -> Vec<Command> {
        while self.received.len() < COMMANDS_AT_ONCE && self.reports.len() < REPORTS_MAX {
            match self.commands.try_recv() {
                Ok(command) => self.received.push(command),
                Err(_) => break,
            }
        }
        let mut urgent = Vec::new();
        for command in self.received.drain(..) {
            self.is_over |= matches!(command, Command::Stop);
            if may_wait(&command) {
                self.reports.push_back(command);
            } else {
                urgent.push(command);
            }
        }
        urgent
    }

    /// The next command that could wait.
    pub(super) fn report(&mut self) -> Option<Command> {
        self.reports.pop_front()
    }

    /// Whether no more commands come; those that have come are still to be carried out.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

fn may_wait(command: &Command) -> bool {
    match command {
        Command::Worker { command, .. } => match command {
            WorkerCommand::Lease { .. } | WorkerCommand::Heartbeat { .. } => false,
            WorkerCommand::Register { .. }
            | WorkerCommand::Report { .. }
            | WorkerCommand::Rung { .. }
            | WorkerCommand::Release { .. }
            | WorkerCommand::Leave { .. } => true,
        },
        Command::Client { .. } | Command::Census { .. } | Command::Snapshot | Command::Stop => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Caller;
    use crate::scheduler::Holder;
    use tokio::sync::{mpsc, oneshot};

    fn holder(worker: &str) -> Holder {
        Holder {
            worker: worker.to_owned(),
            instance: "1".to_owned(),
        }
    }

    fn leave(worker: &str) -> Command {
        let command = WorkerCommand::Leave {
            holder: holder(worker),
            reply: oneshot::channel().0,
        };
        let caller = Caller::HERE;
        Command::Worker { caller, command }
    }

    fn lease(worker: &str) -> Command {
        let command = WorkerCommand::Lease {
            holder: holder(worker),
            held: Vec::new(),
            reply: oneshot::channel().0,
        };
        let caller = Caller::HERE;
        Command::Worker { caller, command }
    }

    fn name(command: &Command) -> String {
        match command {
            Command::Worker { command, .. } => match command {
                WorkerCommand::Leave { holder, .. } => format!("leave {}", holder.worker),
                WorkerCommand::Lease { holder, .. } => format!("lease {}", holder.worker),
                WorkerCommand::Register { .. }
                | WorkerCommand::Heartbeat { .. }
                | WorkerCommand::Report { .. }
                | WorkerCommand::Rung { .. }
                | WorkerCommand::Release { .. } => "other".to_owned(),
            },
            Command::Stop => "stop".to_owned(),
            Command::Client { .. } | Command::Census { .. } | Command::Snapshot => {
                "other".to_owned()
            }
        }
    }

    #[tokio::test]
    async fn requests_for_jobs_overtake_reports_which_stay_in_order_and_none_is_lost_at_the_end() {
        let (sender, commands) = mpsc::channel(16);
        let mut inbox = Inbox::new(commands);
        for command in [leave("a"), lease("b"), leave("c"), lease("d")] {
            sender.send(command).await.expect("is taken");
        }
        inbox.wait().await;
        let urgent: Vec<_> = inbox.urgent().iter().map(name).collect();
        assert_eq!(urgent, ["lease b", "lease d"]);
        assert_eq!(
            inbox.report().as_ref().map(name),
            Some("leave a".to_owned())
        );
        sender.send(lease("e")).await.expect("is taken");
        sender.send(Command::Stop).await.expect("is taken");
        inbox.wait().await;
        let urgent: Vec<_> = inbox.urgent().iter().map(name).collect();
        assert_eq!(urgent, ["lease e", "stop"]);
        assert!(inbox.is_over());
        assert_eq!(
            inbox.report().as_ref().map(name),
            Some("leave c".to_owned())
        );
        assert!(inbox.report().is_none());
    }

    #[tokio::test]
    async fn beyond_the_limit_commands_wait_in_front() {
        let (sender, commands) = mpsc::channel(2 * REPORTS_MAX);
        let mut inbox = Inbox::new(commands);
        for _ in 0..REPORTS_MAX + 2 * COMMANDS_AT_ONCE {
            sender.send(leave("a")).await.expect("is taken");
        }
        for _ in 0..2 * REPORTS_MAX / COMMANDS_AT_ONCE {
            inbox.wait().await;
            assert!(inbox.urgent().is_empty());
        }
        let waiting = inbox.reports.len();
        assert!((REPORTS_MAX..REPORTS_MAX + COMMANDS_AT_ONCE).contains(&waiting));
        drop(sender);
        let mut left = 0;
        loop {
            inbox.wait().await;
            assert!(inbox.urgent().is_empty());
            match inbox.report() {
                Some(_) => left += 1,
                None => break,
            }
        }
        assert_eq!(left, REPORTS_MAX + 2 * COMMANDS_AT_ONCE);
        inbox.wait().await;
        assert!(inbox.is_over());
    }
}
