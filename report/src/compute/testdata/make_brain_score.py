"""Writes brain_score.json: Brain-Score's aggregate of correlations, computed with NumPy.

Needs numpy; run from this folder: `python make_brain_score.py`.
As Brain-Score aggregates: the median over sites in each split; their mean over the splits is the
center, their standard deviation (NumPy's, divided by the number of splits) the error; the center over
the ceiling, squared, is the score.
"""

import json

import numpy as np

RNG = np.random.default_rng(2009)


def case(name, correlations, ceiling):
    medians = np.nanmedian(correlations, axis=1)
    center = medians.mean()
    return {
        "name": name,
        "correlations": [
            [None if np.isnan(r) else float(r) for r in split] for split in correlations
        ],
        "medians": medians.tolist(),
        "ceiling": ceiling,
        "center": float(center),
        "error": float(medians.std()),
        "score": float(np.power(center / ceiling, 2)),
    }


def drawn(splits, sites, center):
    return np.round(np.clip(center + 0.15 * RNG.standard_normal((splits, sites)), -1, 1), 4)


undefined = drawn(10, 30, 0.3)
undefined[RNG.random(undefined.shape) < 0.1] = np.nan
cases = [
    case("ten splits", drawn(10, 88, 0.55), 0.89),
    case("sites without a correlation", undefined, 0.7),
    case("anticorrelated", drawn(10, 20, -0.4), 0.8),
    case("above the ceiling", drawn(4, 51, 0.6), 0.5),
    case("one split", drawn(1, 7, 0.5), 0.9),
]
with open("brain_score.json", "w") as out:
    json.dump(cases, out)
    out.write("\n")
