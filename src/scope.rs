//! Scope: which trials a question is about, the same words in every command that asks.

use crate::client::Sweeps;
use crate::failure::CommandError;
use nrp_proto::near_miss;
use nrp_proto::wire::{ListRequest, StatusRequest, SweepStatus, TrialsRequest};

/// Which trials.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Scope {
    /// Only this sweep: its name, id, or the beginning of its id
    #[arg(long)]
    pub(crate) sweep: Option<String>,
    /// Only this ANN
    #[arg(long)]
    pub(crate) ann: Option<String>,
    /// Only trials that meet this: AXIS=VALUE, or with !=, <, <=, > or >=, as `l1=16`,
    /// `learning_rate<=0.01`; all of several
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) filters: Vec<String>,
}

/// Refuses a question that no trial can answer, whatever is still to finish: an ANN or a region that no
/// sweep in question has, or conditions that none of its trials meets. `asked.sweep` may be empty: then
/// a trial of any sweep will do. Where there is no sweep at all, there is nothing to refuse.
pub(crate) async fn check(client: &mut Sweeps, asked: TrialsRequest) -> Result<(), CommandError> {
    let (sweeps, of) = match asked.sweep.as_str() {
        "" => {
            let all = client.list(ListRequest {}).await?.into_inner().sweeps;
            (all, "these sweeps".to_owned())
        }
        _ => {
            let sweep = asked.sweep.clone();
            let one = client.status(StatusRequest { sweep }).await?.into_inner();
            let of = format!("sweep `{}`", one.name);
            (vec![one], of)
        }
    };
    if sweeps.is_empty() {
        return Ok(());
    }
    must_be_among(
        "ANN",
        &of,
        &asked.ann,
        sweeps.iter().map(|sweep| &*sweep.anns),
    )?;
    must_be_among(
        "region",
        &of,
        &asked.region,
        sweeps.iter().map(|sweep| &*sweep.regions),
    )?;
    if asked.ann.is_empty() && asked.region.is_empty() && asked.filters.is_empty() {
        return Ok(());
    }
    // The latest first: it is the likeliest.
    for SweepStatus { id, .. } in sweeps.into_iter().rev() {
        let of_one = TrialsRequest {
            sweep: id,
            state: String::new(),
            ..asked.clone()
        };
        let mut trials = client.trials(of_one).await?.into_inner();
        if trials.message().await?.is_some() {
            return Ok(());
        }
    }
    Err(CommandError::NoSuchTrial { of })
}

fn must_be_among<'a>(
    what: &'static str,
    of: &str,
    word: &str,
    names: impl Iterator<Item = &'a [String]>,
) -> Result<(), CommandError> {
    let mut known: Vec<String> = names.flatten().cloned().collect();
    known.sort_unstable();
    known.dedup();
    if word.is_empty() || known.iter().any(|name| name == word) {
        return Ok(());
    }
    Err(CommandError::NoSuchName {
        what,
        of: of.to_owned(),
        word: word.to_owned(),
        near: near_miss(word, known.iter().map(String::as_str)).map(str::to_owned),
        known,
    })
}
