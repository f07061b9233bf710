//! A profile over layers: the best NRP-error of each layer set.

use super::figure::{Drawing, Figure};
use super::references;
use crate::caveats::Caveats;
use crate::draw::canvas::Marker;
use crate::draw::plot::{Along, Form, Plot, Reference, Series};
use crate::model::AnnResult;
use nrp_proto::plain;

/// The best NRP-error of each layer set of an ANN.
pub(crate) fn profile(ann: &AnnResult, number: usize, caveats: &Caveats) -> Option<Figure> {
    let mut names: Vec<String> = Vec::new();
    for set in ann.regions.iter().flat_map(|region| &region.layer_sets) {
        let name = set.best.cell.layers_label();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() < 2 {
        return None;
    }
    let mut series = Vec::new();
    let mut all_references = Vec::new();
    for (number, region) in ann.regions.iter().enumerate() {
        let marker = Marker::solid(number);
        let points = region.layer_sets.iter().filter_map(|set| {
            let name = set.best.cell.layers_label();
            let place = names.iter().position(|of| *of == name)?;
            Some(((set.best.scores.nrp_error?, None), (place as f64, None)))
        });
        series.push(Series {
            name: caveats.region(&region.region),
            marker,
            points: points.collect(),
            form: Form::Points,
        });
        if let Some(best) = &region.best {
            let suffix = format!(", {}", region.region);
            let of_region = references::lines(best, Along::X, &suffix);
            all_references.extend(of_region.into_iter().map(|reference| Reference {
                colour: marker.colour(),
                ..reference
            }));
        }
    }
    Some(Figure {
        name: format!("layers-{}-{number}", plain::file_part(&ann.ann)),
        title: format!("NRP-error over layers, {}", ann.label()),
        caption:
            "NRP-error on test stimuli of the best trial on each layer set, chosen by validation \
                  loss. Layer sets are in the order of the sweep."
                .to_owned(),
        marks: caveats.marks([ann]),
        drawing: Drawing::Plot(Plot {
            x_name: "NRP-error",
            y_name: "",
            y_categories: names,
            series,
            references: all_references,
            ..Plot::default()
        }),
    })
}
