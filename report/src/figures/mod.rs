//! Figures: the paper's figures with this sweep's results, a profile over layers, sites and learning
//! curves. Each figure bears its own caveats.

mod accuracy;
mod baselines;
mod curves;
mod figure;
mod layers;
mod references;
mod regions;
mod sites;
mod sizes;
mod sparsity;
mod time;

pub(crate) use accuracy::PUBLISHED;
pub use figure::Figure;

use super::caveats::Caveats;
use super::model::Report;
use std::collections::HashSet;

/// All figures for which the sweep has the scores.
pub(crate) fn all(report: &Report) -> Vec<Figure> {
    let anns = &report.networks;
    let caveats = &Caveats::new(&report.sweep, &report.protocol);
    let mut figures = Vec::new();
    figures.extend(accuracy::figure_2a(anns, caveats));
    figures.extend(accuracy::figure_2a_published(anns));
    figures.extend(baselines::figure_2b(anns, caveats));
    figures.extend(regions::figure_2c(anns, caveats));
    for (number, ann) in (1..).zip(anns) {
        figures.extend(sizes::figure_3a(ann, number, caveats));
    }
    figures.extend(sparsity::figure_3b(anns, caveats));
    for (number, ann) in (1..).zip(anns) {
        figures.extend(layers::profile(ann, number, caveats));
    }
    for of in &report.over_time {
        figures.extend(time::over_time(of, anns, caveats));
    }
    figures.extend(sites::all(&report.sites, anns, caveats));
    figures.extend(curves::all(&report.curves, anns, caveats));
    for figure in &mut figures {
        // The published numbers do not come from our splits.
        if figure.name != PUBLISHED {
            figure.caption.push_str(&caveats.of_one_split());
        }
    }
    with_different_names(figures)
}

/// Some file systems take the names of regions `it` and `IT` for the same.
fn with_different_names(mut figures: Vec<Figure>) -> Vec<Figure> {
    let mut taken = HashSet::new();
    for (number, figure) in (1..).zip(&mut figures) {
        if !taken.insert(figure.name.to_lowercase()) {
            figure.name.push_str(&format!("-f{number}"));
        }
    }
    figures
}
