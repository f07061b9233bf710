"""Writes brain_score.json: Brain-Score's aggregate of correlations, computed with NumPy.

Needs numpy; run from this folder: `python make_brain_score.py`. Made with NumPy 1.26.4.
As brainscore-vision 2.4.2 aggregates: the median over sites in each split, without those whose r is not a number;
their mean over the splits is the center, their standard deviation (NumPy's, divided by the number of splits) over
the root of the number of splits the error. The score is the squared center over the ceiling; before January 2026
it was the center over the ceiling, squared. Site by site: the mean over sites of the squared mean r over the
ceiling, where the mean skips what is not a number, as xarray's does; and the same where a constant prediction
counts as r = 0. A single split has no error.
"""

import json

import numpy as np

RNG = np.random.default_rng(2009)


def case(name, correlations, ceiling):
    medians = np.nanmedian(correlations, axis=1)
    center = medians.mean()
    whole = np.nan_to_num(correlations)
    site_ceilings = np.round(np.clip(ceiling + 0.1 * RNG.standard_normal(correlations.shape[1]), 0.05, 1), 4)
    return {
        "name": name,
        "correlations": [
            [None if np.isnan(r) else float(r) for r in split] for split in correlations
        ],
        "site_ceilings": site_ceilings.tolist(),
        "ceiling": ceiling,
        "ceiling_error": 0.01,
        "center": float(center),
        "error": float(medians.std() / np.sqrt(len(medians))) if len(medians) > 1 else None,
        "center_with_constant": float(np.median(whole, axis=1).mean()),
        "score": float(np.power(center, 2) / ceiling),
        "score_before_2026": float(np.power(center / ceiling, 2)),
        "site_wise": float(np.nanmean(np.nanmean(correlations, axis=0) ** 2 / site_ceilings)),
        "site_wise_with_constant": float(np.mean(whole.mean(axis=0) ** 2 / site_ceilings)),
    }


def drawn(splits, sites, center):
    return np.round(np.clip(center + 0.15 * RNG.standard_normal((splits, sites)), -1, 1), 4)


constant = drawn(10, 30, 0.3)
constant[RNG.random(constant.shape) < 0.1] = np.nan
few = drawn(10, 30, 0.3)
few[2, 4] = np.nan
cases = [
    case("ten splits", drawn(10, 88, 0.55), 0.89),
    case("constant predictions", constant, 0.7),
    case("a constant prediction in one split", few, 0.7),
    case("anticorrelated", drawn(10, 20, -0.4), 0.8),
    case("above the ceiling", drawn(4, 51, 0.6), 0.5),
    case("one split", drawn(1, 7, 0.5), 0.9),
]
with open("brain_score.json", "w") as out:
    json.dump(cases, out)
    out.write("\n")
