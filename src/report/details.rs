//! Details: what the scores of the best trials are made of, asked for by themselves, since they are
//! larger than all else.

use super::splits::Best;
use crate::client::Sweeps;
use crate::failure::CommandError;
use nrp_proto::wire::Details;

/// Gives each best trial its details; those of trials that were recorded without stay absent.
pub(super) async fn ask(
    client: &Sweeps,
    bests: impl Iterator<Item = &mut Best>,
) -> Result<(), CommandError> {
    let bests: Vec<&mut Best> = bests.collect();
    let ids = bests.iter().filter_map(|best| best.row.cell.trial.clone());
    let all = client.details(&ids.collect::<Vec<_>>()).await?;
    for (best, details) in bests.into_iter().zip(all) {
        best.details = (details != Details::default()).then_some(details);
    }
    Ok(())
}
