"""Writes bootstrap.json: differences of sites, their mean, and NumPy's 95 % bootstrap interval of it.

Needs numpy; run from this folder: `python make_bootstrap.py`.
With a million resamples, so that what differs from fewer is the fewer's chance.
"""

import json

import numpy as np

RNG = np.random.default_rng(1979)
RESAMPLES, AT_ONCE = 1_000_000, 10_000


def case(name, differences):
    differences = np.round(differences, 6)
    sites = len(differences)
    means = np.concatenate([
        differences[RNG.integers(0, sites, (AT_ONCE, sites))].mean(axis=1)
        for _ in range(RESAMPLES // AT_ONCE)
    ])
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "name": name,
        "differences": differences.tolist(),
        "mean": float(differences.mean()),
        "low": float(low),
        "high": float(high),
        "standard_error": float(means.std()),
    }


cases = [
    case("normal", RNG.normal(0.02, 0.05, 88)),
    case("skewed", RNG.exponential(0.1, 40) - 0.08),
    case("few sites", RNG.normal(-0.1, 0.2, 6)),
]
with open("bootstrap.json", "w") as out:
    json.dump(cases, out)
    out.write("\n")
