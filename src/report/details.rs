//! Details: what the scores of the best trials are made of, asked for by themselves, since they are
//! larger than all else.

use super::splits::Best;
use crate::client::Sweeps;
use crate::failure::CommandError;
use nrp_proto::DETAILS_MAX;
use nrp_proto::wire::{Details, DetailsRequest};

/// Gives each best trial its details; those of trials that were recorded without stay absent.
pub(super) async fn ask(
    client: &mut Sweeps,
    bests: impl Iterator<Item = &mut Best>,
) -> Result<(), CommandError> {
    let mut bests: Vec<&mut Best> = bests.collect();
    for bests in bests.chunks_mut(DETAILS_MAX) {
        let ids = bests.iter().filter_map(|best| best.row.cell.trial.clone());
        let trials = ids.collect();
        let reply = client.details(DetailsRequest { trials }).await?;
        for (best, details) in bests.iter_mut().zip(reply.into_inner().details) {
            best.details = (details != Details::default()).then_some(details);
        }
    }
    Ok(())
}
