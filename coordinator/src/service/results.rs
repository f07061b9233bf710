//! The best trials and the marginals of what has finished, row by row, in pages.

use super::pages::{self, Begin, Filled, Page};
use super::refuse::{refuse, unknown};
use super::{Link, check};
use crate::driver::ClientCommand;
use crate::scheduler::SweepId;
use crate::store::{Asked, CELLS_MAX, Cells, Index, Measure, Row};
use nrp_proto::state::Front;
use nrp_proto::wire::{
    BestReply, BestRequest, BestRow, MarginalCell, MarginalsReply, MarginalsRequest, MarginalsRow,
    TrialRecord,
};
use tonic::{Code, Status};

/// The most trials of one row.
const TOP_MAX: usize = 1_000;

/// The most rows on a page.
const ROWS_MAX: usize = 1_000;

/// The trials of a row that are asked for.
#[derive(Clone, Copy)]
enum Wanted {
    Top(usize),
    Front(Measure),
}

impl Link {
    pub(super) async fn best(&self, mut request: BestRequest) -> Result<BestReply, Status> {
        let wanted = wanted(&request)?;
        let conditions = check::conditions(&request.ann, &request.region, &request.filters)?;
        let sweep = self.named(&mut request.sweep).await?;
        let asked = Asked::new(sweep, conditions);
        let asked = match wanted {
            Wanted::Top(_) => asked,
            Wanted::Front(_) => asked.of_networks(),
        };
        let size = std::mem::take(&mut request.page_size);
        let token = std::mem::take(&mut request.page_token);
        let begin = pages::position(&request, &token)?.map(Begin::at);
        let rows = self.rows(asked.clone(), begin).await?;
        let page = Page::new(size, ROWS_MAX);
        let skip = begin.map_or(0, Begin::part);
        let filled = self.query(move |index| {
            pages::fill(page, rows, skip, |row| {
                let best = match wanted {
                    Wanted::Top(top) => index.best(row.id, &asked, top)?,
                    Wanted::Front(measure) => index.front(row.id, &asked, measure)?,
                };
                Ok(best_row(row, best))
            })
        });
        let Filled {
            mut page,
            rows,
            next,
        } = filled.await??;
        let next = next.map(|next| pages::token(&request, next.position()));
        let open = |reply| ClientCommand::Open { sweep, rows, reply };
        let open = self.ask(open).await?;
        for (row, open) in page.entries.iter_mut().zip(open) {
            row.open = open;
        }
        Ok(BestReply {
            rows: page.entries,
            next_page_token: next.unwrap_or_default(),
        })
    }

    pub(super) async fn marginals(
        &self,
        mut request: MarginalsRequest,
    ) -> Result<MarginalsReply, Status> {
        let by = check::axes(&request.by)?;
        let conditions = check::conditions(&request.ann, &request.region, &request.filters)?;
        let sweep = self.named(&mut request.sweep).await?;
        let asked = Asked::new(sweep, conditions).of_networks();
        let size = std::mem::take(&mut request.page_size);
        let token = std::mem::take(&mut request.page_token);
        let begin = pages::position(&request, &token)?.map(Begin::at);
        let rows = self.rows(asked.clone(), begin).await?;
        let page = Page::new(size, ROWS_MAX);
        let skip = begin.map_or(0, Begin::part);
        let filled = self.query(move |index| {
            let mut too_many = false;
            let filled = pages::fill(page, rows, skip, |row| {
                let cells = index.marginals(row.id, &asked, &by)?;
                too_many |= cells.is_none();
                Ok(marginals_row(row, cells.unwrap_or_default()))
            })?;
            Ok((filled, too_many))
        });
        let (filled, too_many) = filled.await?;
        if too_many {
            return Err(refuse(
                Code::InvalidArgument,
                format!(
                    "marginals by {} have more than {CELLS_MAX} cells in a row",
                    request.by.join(", ")
                ),
                "choose axes with fewer values, or filter by them",
            ));
        }
        let filled = filled?;
        let next = (filled.next).map(|next| pages::token(&request, next.position()));
        Ok(MarginalsReply {
            rows: filled.page.entries,
            next_page_token: next.unwrap_or_default(),
        })
    }

    /// The sweep that `sweep` names, which is replaced by its id; none where it is empty.
    async fn named(&self, sweep: &mut String) -> Result<Option<SweepId>, Status> {
        if sweep.is_empty() {
            return Ok(None);
        }
        let id = self.find(std::mem::take(sweep)).await?;
        *sweep = id.to_string();
        Ok(Some(id))
    }

    /// The rows that may have trials that were asked for, from the page's first.
    async fn rows(&self, asked: Asked, begin: Option<Begin>) -> Result<Vec<Row>, Status> {
        let rows = self.query(move |index: &Index| {
            let mut rows = index.rows(asked.sweep)?;
            rows.retain(|row| asked.may_be_in(&row.example));
            Ok(rows)
        });
        pages::rows_from(rows.await?, begin)
    }
}

fn wanted(request: &BestRequest) -> Result<Wanted, Status> {
    if request.front != 0 {
        return match Front::of_wire(request.front).map_err(unknown)? {
            Front::ValidationMse => Ok(Wanted::Front(Measure::ValidationMse)),
            Front::NrpError => Ok(Wanted::Front(Measure::NrpError)),
        };
    }
    match request.top as usize {
        0 => Ok(Wanted::Top(1)),
        top if top <= TOP_MAX => Ok(Wanted::Top(top)),
        top => Err(refuse(
            Code::InvalidArgument,
            format!("{top} trials per row; the limit is {TOP_MAX}"),
            "`nrp export` writes all of them, for other programs to sort",
        )),
    }
}

fn best_row(row: Row, best: Vec<TrialRecord>) -> BestRow {
    let ann = row.example.ann.clone().unwrap_or_default();
    BestRow {
        group: row.example.comparable_group(),
        model: row.example.model().to_owned(),
        sparsity: ann.sparsity,
        pruning: ann.pruning,
        ann: ann.name,
        weights_digest: ann.weights_digest,
        region: row.example.region,
        best,
        open: 0,
    }
}

fn marginals_row(row: Row, cells: Cells) -> MarginalsRow {
    let ann = row.example.ann.clone().unwrap_or_default();
    let cells = cells.into_iter().map(|(values, cell)| MarginalCell {
        values: values
            .into_iter()
            .map(|value| value.map_or_else(String::new, |value| value.to_string()))
            .collect(),
        trials: cell.trials,
        mean_nrp_error: cell.mean_nrp_error(),
        mean_validation_mse: cell.mean_validation_mse(),
        best_trial: cell.best.to_string(),
        best_nrp_error: cell.best_nrp_error,
        best_validation_mse: cell.best_validation_mse,
    });
    MarginalsRow {
        group: row.example.comparable_group(),
        ann: ann.name,
        weights_digest: ann.weights_digest,
        simulated: row.example.simulated(),
        model: row.example.model().to_owned(),
        split: row.example.split_number(),
        region: row.example.region,
        cells: cells.collect(),
    }
}
