//! Scope: which sweeps and trials a question is about. Every command has the same flags and the same rule: the latest
//! sweep, unless the user names another or asks for all. An answer begins with the sweep that it is about.

use crate::failure::CommandError;
use crate::output::{self, Format};
use crate::row::Provenance;
use crate::setting::{self, Origin, Setting};
use crate::ui;
use nrp_client::Client;
use nrp_proto::near_miss;
use nrp_proto::wire::{SweepSpec, SweepStatus, TrialsRequest};

/// Digits of a digest in introductions; JSON has all of them.
const DIGEST_DIGITS: usize = 12;

/// Which trials.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Scope {
    /// Only this sweep: its name, its id, or the beginning of its id [default: the latest sweep]
    #[arg(long)]
    pub(crate) sweep: Option<String>,
    /// Every sweep, one after the other
    #[arg(long, conflicts_with = "sweep")]
    pub(crate) all_sweeps: bool,
    /// Only this ANN
    #[arg(long)]
    pub(crate) ann: Option<String>,
    /// Only trials that meet this condition: AXIS=VALUE, or with !=, <, <=, > or >=, such as `l1=16` or
    /// `learning_rate<=0.01`. If given several times, trials must meet all conditions
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) filters: Vec<String>,
}

/// Refuses a question that no trial can answer, even once all have finished: an ANN or a region that none of the
/// sweeps has, or conditions that none of their trials meets. If `asked.sweep` is empty, trials of every sweep count.
/// If there is no sweep at all, nothing is refused.
pub(crate) async fn check(client: &Client, asked: TrialsRequest) -> Result<(), CommandError> {
    let (sweeps, of) = match asked.sweep.as_str() {
        "" => {
            let all = client.sweeps().all().await?;
            (all, "these sweeps".to_owned())
        }
        _ => {
            let one = client.status(&asked.sweep).await?;
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
    // The latest sweep first: it is the likeliest to have such a trial.
    for SweepStatus { id, .. } in sweeps.into_iter().rev() {
        let of_one = TrialsRequest {
            sweep: id,
            state: 0,
            ..asked.clone()
        };
        let mut trials = client.trials(of_one).await?;
        if trials.next().await?.is_some() {
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

/// The sweeps that a question is about.
pub(crate) struct Chosen {
    /// In the order in which they were submitted.
    pub(crate) sweeps: Vec<ChosenSweep>,
    headline: String,
}

/// A sweep, and what it was submitted with.
pub(crate) struct ChosenSweep {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) spec: SweepSpec,
}

impl Scope {
    /// The sweeps that the user means.
    pub(crate) async fn choose(&self, client: &Client) -> Result<Chosen, CommandError> {
        if !self.all_sweeps {
            let sweep = self.sweep.as_deref().unwrap_or_default();
            return Chosen::one(client, sweep).await;
        }
        let listed = client.sweeps().all().await?;
        let headline = match listed.as_slice() {
            [] => "there are no sweeps".to_owned(),
            [one] => one_is(one),
            more => format!("all {} sweeps, one after the other", more.len()),
        };
        let mut sweeps = Vec::with_capacity(listed.len());
        for status in listed {
            sweeps.push(ChosenSweep::new(client, status).await?);
        }
        Ok(Chosen { sweeps, headline })
    }
}

impl Chosen {
    /// One sweep by its name, its id or the beginning of its id; the latest if `sweep` is empty.
    pub(crate) async fn one(client: &Client, sweep: &str) -> Result<Self, CommandError> {
        let (sweep, headline) = ChosenSweep::find(client, sweep).await?;
        Ok(Self {
            sweeps: vec![sweep],
            headline,
        })
    }

    /// Says which sweeps follow: in the first line of stdout if people read it, otherwise on stderr.
    pub(crate) fn announce(&self, format: Format) -> Result<(), CommandError> {
        match format {
            Format::Text => output::line(&self.headline),
            Format::Json => {
                ui::notice(&self.headline);
                Ok(())
            }
        }
    }

    /// Says what the trials of one of the sweeps have in common, above their table.
    pub(crate) fn introduce<'a>(
        &self,
        sweep: &ChosenSweep,
        rows: impl IntoIterator<Item = &'a Provenance>,
    ) -> Result<(), CommandError> {
        if self.sweeps.len() > 1 {
            output::line("")?;
            output::line(&name_and_id(&sweep.name, &sweep.id))?;
        }
        for line in sweep.introduction(rows) {
            output::line(&line)?;
        }
        output::line("")
    }

    /// The id of the only sweep; empty if there are several, which stands for any of them in a question.
    pub(crate) fn named(&self) -> String {
        match self.sweeps.as_slice() {
            [one] => one.id.clone(),
            _ => String::new(),
        }
    }
}

impl ChosenSweep {
    /// As [`Chosen::one`], with the headline.
    pub(crate) async fn find(client: &Client, sweep: &str) -> Result<(Self, String), CommandError> {
        let status = client.status(sweep).await?;
        let mut headline = one_is(&status);
        if sweep.is_empty() {
            let all = client.sweeps().all().await?.len();
            if all > 1 {
                headline.push_str(&format!(
                    ", the latest of {all}; `--sweep NAME` shows another, `--all-sweeps` all"
                ));
            }
        }
        Ok((Self::new(client, status).await?, headline))
    }

    async fn new(client: &Client, status: SweepStatus) -> Result<Self, CommandError> {
        Ok(Self {
            spec: client.describe(&status.id).await?,
            name: status.name,
            id: status.id,
        })
    }

    /// Where its rows come from.
    pub(crate) fn origin(&self) -> Origin {
        Origin::new(&self.name, &self.id, &self.spec)
    }

    /// What its NRP networks share.
    pub(crate) fn setting(&self) -> Setting {
        let spec = self.spec.clone();
        Setting::new(
            &self.origin(),
            spec.recordings_digest,
            spec.split.unwrap_or_default(),
            spec.training.unwrap_or_default(),
            true,
        )
    }

    fn introduction<'a>(&self, rows: impl IntoIterator<Item = &'a Provenance>) -> Vec<String> {
        let spec = &self.spec;
        let files = spec.files.clone().unwrap_or_default();
        let digest = &spec.recordings_digest;
        let training = spec.training.clone().unwrap_or_default();
        let mut lines = vec![
            format!(
                "recordings {} ({})",
                setting::recordings(&files),
                shortened(digest)
            ),
            format!(
                "split {}",
                setting::split(&spec.split.clone().unwrap_or_default())
            ),
            format!(
                "inputs {}, targets {}; {}",
                training.inputs,
                training.targets,
                setting::training(&training)
            ),
        ];
        let mut trained: Vec<String> = Vec::new();
        for row in rows {
            let known = [
                row.worker_version.as_ref().map(|of| format!("nrp {of}")),
                row.device.as_ref().map(|of| format!("on {of}")),
                row.cache_dtype
                    .as_ref()
                    .map(|of| format!("activations as {of}")),
            ];
            let known = known.into_iter().flatten().collect::<Vec<_>>().join(", ");
            if !known.is_empty() && !trained.contains(&known) {
                trained.push(known);
            }
        }
        if !trained.is_empty() {
            lines.push(format!("trained by {}", trained.join("; ")));
        }
        lines
    }
}

/// A digest's first digits, after its prefix.
fn shortened(digest: &str) -> &str {
    let begin = digest.rfind(':').map_or(0, |at| at + 1);
    digest.get(..begin + DIGEST_DIGITS).unwrap_or(digest)
}

fn one_is(status: &SweepStatus) -> String {
    name_and_id(&status.name, &status.id)
}

fn name_and_id(name: &str, id: &str) -> String {
    format!("sweep `{name}` ({id})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{RecordingsFiles, SplitSpec, TrainingSpec};

    #[test]
    fn a_table_is_introduced_by_what_its_rows_share() {
        let sweep = ChosenSweep {
            name: "small".to_owned(),
            id: "0123".to_owned(),
            spec: SweepSpec {
                files: Some(RecordingsFiles {
                    assembly: "v4.nc".to_owned(),
                    ..RecordingsFiles::default()
                }),
                recordings_digest: "0123456789abcdef".to_owned(),
                split: Some(SplitSpec {
                    scheme: "holdout".to_owned(),
                    train: 0.8,
                    validation: 0.1,
                    test: 0.1,
                    seed: 7,
                    ..SplitSpec::default()
                }),
                training: Some(TrainingSpec {
                    batch_size: 64,
                    max_epochs: 100,
                    patience: 5,
                    inputs: "centred".to_owned(),
                    targets: "none".to_owned(),
                    ..TrainingSpec::default()
                }),
                ..SweepSpec::default()
            },
        };
        let row = |device: Option<&str>| Provenance {
            device: device.map(str::to_owned),
            worker_version: device.map(|_| "0.1.0".to_owned()),
            ..Provenance::default()
        };
        let rows = [row(Some("flex")), row(None), row(Some("flex"))];
        insta::assert_snapshot!(sweep.introduction(&rows).join("\n"), @r"
        recordings v4.nc (0123456789ab)
        split holdout: 0.8 of the stimuli to train, 0.1 to validate, 0.1 to test; not stratified; seed 7
        inputs centred, targets none; Adam, batches of 64, at most 100 epochs, until the validation loss has not fallen for 5 epochs, weights of the best epoch kept
        trained by nrp 0.1.0, on flex
        ");
        assert_eq!(
            shortened("simulated:0123456789abcdef"),
            "simulated:0123456789ab"
        );
        let setting = sweep.setting();
        assert_eq!((setting.split_seed, setting.patience), (7, Some(5)));
    }
}
