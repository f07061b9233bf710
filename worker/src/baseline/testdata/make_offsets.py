"""Writes what scikit-learn and SciPy make of responses far from 0 and of any scale.

Needs numpy, scipy and scikit-learn; run from this folder: `python make_offsets.py`.
Responses are `scale * (offset + x)` in f64, on either side.
"""

import json

import numpy as np
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score

RNG = np.random.default_rng(1805)
STIMULI, UNITS, SITES = 60, 6, 3
CASES = [(offset, scale) for offset in (0.0, 1e4, 1e8) for scale in (1e-12, 1.0, 1e12)]


def main():
    activations = np.round(RNG.normal(2, 1, (STIMULI, UNITS)), 3).astype("float32")
    weights = RNG.normal(0, 1, (UNITS, SITES))
    x = np.round(activations @ weights + RNG.normal(0, 1.5, (STIMULI, SITES)), 6)
    train, test = np.arange(40), np.arange(50, 60)
    cases = []
    for offset, scale in CASES:
        y = scale * (offset + x)
        # scikit-learn takes the mean of the targets itself, in the precision of what it is given.
        predicted = LinearRegression().fit(activations[train].astype("float64"), y[train]).predict(
            activations[test].astype("float64")
        )
        columns = range(SITES)
        cases.append(
            {
                "offset": offset,
                "scale": scale,
                "nrp_error": mean_absolute_error(y[test], predicted),
                "r2_mean": r2_score(y[test], predicted),
                "pearson_median": float(
                    np.median([pearsonr(y[test][:, s], predicted[:, s]).statistic for s in columns])
                ),
            }
        )
    with open("offsets.json", "w") as file:
        fixture = {
            "stimuli": STIMULI,
            "units": UNITS,
            "sites": SITES,
            "activations": [float(value) for value in activations.ravel()],
            "x": x.ravel().tolist(),
            "cases": cases,
        }
        json.dump(fixture, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
