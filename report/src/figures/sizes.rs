//! Figure 3A: NRP-error over the sizes of the NRP network.

use super::figure::{Drawing, Figure};
use super::references;
use crate::caveats::Caveats;
use crate::draw::heat_map::{Line, Panel};
use crate::model::{AnnResult, RegionResult, Size};
use nrp_proto::axis::Axis;
use nrp_proto::plain;

/// NRP-error over network sizes, for one ANN.
pub(crate) fn figure_3a(ann: &AnnResult, number: usize, caveats: &Caveats) -> Option<Figure> {
    if ann.regions.iter().all(|region| region.sizes.len() < 2) {
        return None;
    }
    let lines = ann.regions.iter().filter_map(|region| {
        Some(Line {
            note: references::words(region)?,
            panels: panels(region, caveats),
        })
    });
    Some(Figure {
        name: format!("figure-3a-{}-{number}", plain::file_part(&ann.ann)),
        title: format!("Figure 3A: NRP-error over network sizes, {}", ann.label()),
        caption:
            "NRP-error on test stimuli of the best trial of each size, chosen by validation loss. \
                  Dark means a high error; each region has its own scale."
                .to_owned(),
        marks: caveats.marks([ann]),
        drawing: Drawing::HeatMap(lines.collect()),
    })
}

/// The units of a layer of a size's networks, or their depth.
fn units(size: &Size, axis: Axis) -> Option<u32> {
    let number = size.best.cell.place.whole(axis)?;
    u32::try_from(number).ok()
}

/// A panel for each depth.
fn panels(region: &RegionResult, caveats: &Caveats) -> Vec<Panel> {
    let by_depth = region
        .sizes
        .chunk_by(|a, b| units(a, Axis::Depth) == units(b, Axis::Depth));
    let panel = |sizes: &[Size]| {
        let mut rows: Vec<_> = sizes.iter().map(|size| units(size, Axis::L1)).collect();
        let mut columns: Vec<_> = sizes.iter().map(|size| units(size, Axis::L2)).collect();
        for sides in [&mut rows, &mut columns] {
            sides.sort_unstable();
            sides.dedup();
        }
        let cells = sizes.iter().filter_map(|size| {
            let row = rows.iter().position(|l1| *l1 == units(size, Axis::L1))?;
            let column = columns.iter().position(|l2| *l2 == units(size, Axis::L2))?;
            Some((row, column, size.best.scores.nrp_error?))
        });
        let region = caveats.region(&region.region);
        let depth = sizes.first().and_then(|size| units(size, Axis::Depth));
        Panel {
            name: format!("{region}, depth {}", depth.unwrap_or_default()),
            cells: cells.collect(),
            rows,
            columns,
        }
    };
    by_depth.map(panel).collect()
}
