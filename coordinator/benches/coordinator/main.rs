//! The coordinator under load: what a trial costs from submission to a durable outcome, as sweeps
//! grow. Beside its peers, and into docs/performance.md, by `coordinator.py` (`just bench-coordinator`).
//!
//! ```text
//! coordinator scheduler TRIALS               the pure core alone
//! coordinator whole TRIALS OUTCOMES TOGETHER DIR
//!                                            a coordinator's process, its state in DIR, and workers
//!                                            that report TOGETHER outcomes in one call
//! coordinator serve DIR                      that process
//! ```
//!
//! Workers are simulated: they speak the protocol and make their scores up. One line of JSON each.

#![allow(clippy::print_stdout)]

mod load;
mod scheduler;

use nrp_coordinator::{Config, Coordinator};
use std::io::Read;
use std::path::Path;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // `cargo bench` adds a word of its own.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = words.strip_suffix(&["--bench"]).unwrap_or(&words);
    match words {
        ["scheduler", trials] => scheduler::measure(number(trials)),
        ["whole", trials, outcomes, together, dir] => {
            runtime().block_on(load::measure(
                number(trials),
                number(outcomes),
                number(together),
                dir.as_ref(),
            ));
        }
        ["serve", dir] => runtime().block_on(serve(dir.as_ref())),
        _ => println!("scheduler TRIALS | whole TRIALS OUTCOMES TOGETHER DIR"),
    }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

/// Serves until standard input ends, and says where.
async fn serve(dir: &Path) {
    let config = Config::new(dir, ([127, 0, 0, 1], 0).into());
    let coordinator = Coordinator::start(config).await.expect("starts");
    println!("{}", coordinator.address());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.expect("ends").expect("reads");
    coordinator.shutdown().await.expect("stops");
}

/// The value below which `part` of the sorted values lie.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted[at.min(sorted.len() - 1)]
}
