"""Writes the reference numbers of noise ceilings and noise floors.

Needs numpy and scipy; run from this folder: `python make_ceiling.py`.
With an assembly (and xarray) it writes nothing and prints what the test on real recordings states:
`python make_ceiling.py assy.nc`.
"""

import json
import sys

import numpy as np
from scipy.special import gammaln
from scipy.stats import pearsonr

RNG = np.random.default_rng(1910)


def halves(column, split):
    """Averages of every other recorded repetition, and of the others; one row per stimulus."""
    rows = []
    for group in split:
        values = column[group]
        values = values[~np.isnan(values)]
        if len(values) >= 2:
            rows.append((values[::2].mean(), values[1::2].mean()))
    return np.array(rows)


def split_half(column, split):
    first, second = halves(column, split).T
    return pearsonr(first, second).statistic


def spearman_brown(r):
    return max(2 * r / (1 + r), -1.0)


def deviations(column, groups):
    for group in groups:
        values = column[group]
        n = np.count_nonzero(~np.isnan(values))
        if n < 2:
            yield n, np.nan
        else:
            c4 = np.sqrt(2 / (n - 1)) * np.exp(gammaln(n / 2) - gammaln((n - 1) / 2))
            yield n, np.nanstd(values, ddof=1) / c4


def errors(column, groups):
    n, sd = np.array(list(deviations(column, groups))).T
    sd = np.where(n == 1, np.nanmean(sd), sd)
    with np.errstate(divide="ignore"):
        return np.sqrt(2 / np.pi) * sd / np.sqrt(n)


def listed(values):
    return [None if np.isnan(value) else float(value) for value in values]


def case(repetitions, noise, sites, splits, missing):
    stimulus_of = RNG.permutation(np.repeat(np.arange(len(repetitions)), repetitions))
    groups = [np.flatnonzero(stimulus_of == s) for s in range(len(repetitions))]
    drawn = [[RNG.permutation(group) for group in groups] for _ in range(splits)]
    scored = []
    corrected = []
    for _ in range(sites):
        rates = RNG.normal(3, 1, len(repetitions))
        values = np.round(RNG.normal(rates[stimulus_of], noise), 3)
        values[RNG.random(len(values)) < missing] = np.nan
        found = [split_half(values, split) for split in drawn]
        corrected.append([spearman_brown(r) for r in found])
        scored.append(
            {
                "values": listed(values),
                "halves": [float(r) for r in found],
                "ceiling": float(np.mean([spearman_brown(r) for r in found])),
                "errors": listed(errors(values, groups)),
            }
        )
    return {
        "groups": [group.tolist() for group in groups],
        "splits": [[group.tolist() for group in split] for split in drawn],
        "sites": scored,
        # Brain-Score's order: the median over neuroids, then the mean over splits.
        "consistency": float(np.mean(np.median(corrected, axis=0))),
    }


def real(path, splits=100):
    import xarray as xr

    dataset = xr.open_dataset(path)
    table = next(v for v in dataset.data_vars.values() if {"neuroid", "presentation"} <= set(v.dims))
    table = table.squeeze().transpose("neuroid", "presentation")
    ids = dataset["stimulus_id" if "stimulus_id" in dataset else "image_id"].values
    _, stimulus_of = np.unique(ids, return_inverse=True)
    groups = [np.flatnonzero(stimulus_of == s) for s in range(stimulus_of.max() + 1)]
    drawn = [[RNG.permutation(group) for group in groups] for _ in range(splits)]
    columns = table.values.astype("float64")
    ceilings = [
        np.mean([spearman_brown(split_half(column, split)) for split in drawn])
        for column in columns
    ]
    floor = np.mean([errors(column, groups) for column in columns])
    # No distribution assumed but a symmetric one: halves of equal size differ by twice the error.
    gaps = []
    for group in groups:
        even = RNG.permutation(group)[: len(group) // 2 * 2]
        scale = np.sqrt(len(even) / len(group))
        for column in columns:
            gaps.append(abs(column[even[::2]].mean() - column[even[1::2]].mean()) / 2 * scale)
    low, middle, high = np.min(ceilings), np.median(ceilings), np.max(ceilings)
    print(f"ceiling {low:.4f} to {high:.4f}, median {middle:.4f}; first site {ceilings[0]:.4f}")
    print(f"noise floor {floor:.5f}; by halves that differ {np.mean(gaps):.5f}")


def main():
    cases = [
        case([2] * 12, 0.6, 2, 4, 0.0),
        case([4, 5, 3, 4, 6, 4, 7, 2, 4, 1], 1.0, 2, 4, 0.0),
        case([5, 3, 6, 4, 2, 5, 4, 3, 1, 6, 4, 5], 1.5, 3, 4, 0.35),
        case([3] * 6, 9.0, 3, 4, 0.0),  # nothing but noise: corrected values at their bound
    ]
    with open("ceiling.json", "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    real(sys.argv[1]) if len(sys.argv) > 1 else main()
