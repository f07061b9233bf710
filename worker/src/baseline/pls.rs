//! Partial least squares regression as Brain-Score runs it: scikit-learn's
//! `PLSRegression(n_components=25, scale=False)` (brain-score/vision,
//! `brainscore_vision/metrics/regression_correlation/metric.py`, `pls_regression`), all sites of a
//! region at once.
//!
//! It is scikit-learn's algorithm step for step, NIPALS with the same initial guess and stopping
//! rule, which stops before convergence: so the components are the same, not only in the limit.
//! Weights per unit are not stored; they are Xᵀa with a coefficient per stimulus (Rosipal & Trejo
//! 2001).

use faer::{Col, Mat};
use rayon::prelude::*;

/// Number of components, if stimuli and units allow that many.
pub(crate) const COMPONENTS: usize = 25;
/// Squared change of a component's weights at which iteration stops, and most iterations:
/// scikit-learn's defaults.
const TOLERANCE: f64 = 1e-6;
const ITERATIONS_MAX: usize = 500;

/// Components of a fit to `stimuli` stimuli with `units` units: scikit-learn allows no more than
/// either, and centring removes one stimulus.
fn components(stimuli: usize, units: usize) -> usize {
    COMPONENTS.min(units).min(stimuli.saturating_sub(1))
}

/// Columns of the products that one thread multiplies at a time.
const COLUMNS_PER_TASK: usize = 64;

/// The products K of the activations, deflated by the components so far: D K D with D = I − Σ ttᵀ/tᵀt, since
/// their scores t are orthogonal. K stays as it is, and vectors are deflated before and after it.
struct Deflated {
    gram: Mat<f64>,
    /// t/|t| of each component.
    directions: Vec<Col<f64>>,
}

impl Deflated {
    fn times(&self, vector: &Col<f64>) -> Col<f64> {
        let mut inner = vector.clone();
        self.deflate(&mut inner);
        let mut product = times(&self.gram, &inner);
        self.deflate(&mut product);
        product
    }

    fn deflate(&self, vector: &mut Col<f64>) {
        for direction in &self.directions {
            let along = direction.transpose() * &*vector;
            *vector -= faer::Scale(along) * direction;
        }
    }
}

/// A symmetric matrix times a vector, by all threads.
fn times(matrix: &Mat<f64>, vector: &Col<f64>) -> Col<f64> {
    let n = matrix.ncols();
    let tasks = (0..n.div_ceil(COLUMNS_PER_TASK)).into_par_iter();
    let parts = tasks.map(|task| {
        let first = task * COLUMNS_PER_TASK;
        let columns = matrix
            .as_ref()
            .subcols(first, COLUMNS_PER_TASK.min(n - first));
        columns.transpose() * vector
    });
    let parts: Vec<Col<f64>> = parts.collect();
    Col::from_fn(n, |at| parts[at / COLUMNS_PER_TASK][at % COLUMNS_PER_TASK])
}

/// A component: stimuli's scores t = X Xᵀa, [n].
struct Component {
    /// a, such that Xᵀa has norm 1.
    weights: Col<f64>,
    /// t
    scores: Col<f64>,
    /// Yᵀt / tᵀt, [sites]
    of_sites: Col<f64>,
}

/// Coefficients of centred responses `[n, sites]`, from the centred Gram matrix.
///
/// X is [deflated](Deflated) by each component, X ← (I − ttᵀ/tᵀt) X.
/// With P the loadings, the weights of the whole are W (PᵀW)⁻¹ Qᵀ; PᵀW is a triangle with a unit
/// diagonal, and is solved step by step.
pub(super) fn coefficients(gram: Mat<f64>, mut responses: Mat<f64>, units: usize) -> Mat<f64> {
    let n = gram.nrows();
    let trace: f64 = (0..n).map(|at| gram[(at, at)]).sum();
    let least = trace * n as f64 * f64::EPSILON;
    let mut coefficients = Mat::zeros(n, responses.ncols());
    let mut deflated = Deflated {
        gram,
        directions: Vec::new(),
    };
    // Of each component so far: its weights on the activations as they came, and its loadings K t /
    // tᵀt.
    let mut before: Vec<(Col<f64>, Col<f64>)> = Vec::new();
    for _ in 0..components(n, units) {
        let Some(component) = component(&deflated, &mut responses, least) else {
            break;
        };
        let Component {
            weights,
            scores,
            of_sites,
        } = component;
        let square = scores.squared_norm_l2();
        let loadings = faer::Scale(square.recip()) * deflated.times(&scores);
        let mut rotation = weights.clone();
        for (earlier, loadings) in &before {
            let along = loadings.transpose() * &weights;
            rotation -= faer::Scale(along) * earlier;
        }
        coefficients += &rotation * of_sites.transpose();
        responses -= &scores * of_sites.transpose();
        let direction = faer::Scale(square.sqrt().recip()) * &scores;
        deflated.directions.push(direction);
        before.push((rotation, loadings));
    }
    coefficients
}

/// The next component of the residuals; `None` if the responses have none left, or the activations
/// only rounding: a mean square up to `least`.
fn component(gram: &Deflated, responses: &mut Mat<f64>, least: f64) -> Option<Component> {
    for mut column in responses.col_iter_mut() {
        let values = column.as_ref().iter();
        if values
            .copied()
            .all(|value| value.abs() < 10.0 * f64::EPSILON)
        {
            column.fill(0.0);
        }
    }
    let mut columns = responses.col_iter();
    let first = columns.find(|column| column.iter().any(|value| value.abs() > f64::EPSILON));
    let mut of_stimuli = first?.to_owned();
    let mut last: Option<(Col<f64>, Col<f64>)> = None;
    for iteration in 1.. {
        let square = of_stimuli.squared_norm_l2();
        let mut weights = faer::Scale(square.recip()) * &of_stimuli;
        let mut scores = gram.times(&weights);
        let norm = weights.transpose() * &scores;
        if norm * square <= least {
            return None;
        }
        let scale = faer::Scale((norm.sqrt() + f64::EPSILON).recip());
        weights *= scale;
        scores *= scale;
        let of_sites =
            faer::Scale(scores.squared_norm_l2().recip()) * (responses.transpose() * &scores);
        let is_last = responses.ncols() == 1
            || iteration == ITERATIONS_MAX
            || last.is_some_and(|(weights_before, scores_before)| {
                let change = &weights - weights_before;
                change.transpose() * (&scores - scores_before) < TOLERANCE
            });
        if is_last {
            return Some(Component {
                weights,
                scores,
                of_sites,
            });
        }
        let scale = (of_sites.squared_norm_l2() + f64::EPSILON).recip();
        of_stimuli = faer::Scale(scale) * (&*responses * &of_sites);
        last = Some((weights, scores));
    }
    unreachable!("the last iteration is the last")
}
