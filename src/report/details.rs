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
    let mut rest = bests.as_mut_slice();
    while !rest.is_empty() {
        let asked = rest.iter().take(DETAILS_MAX);
        let ids = asked.filter_map(|best| best.row.cell.trial.clone());
        let trials = ids.collect();
        let reply = client.details(DetailsRequest { trials }).await?;
        // Of as many of the first as fit a message.
        let details = reply.into_inner().details;
        let answered = details.len().clamp(1, rest.len());
        for (best, details) in rest.iter_mut().zip(details) {
            best.details = (details != Details::default()).then_some(details);
        }
        rest = &mut rest[answered..];
    }
    Ok(())
}
