"""Writes the reference numbers of noise ceilings and noise floors.

Needs numpy and scipy; run from this folder: `python make_ceiling.py`.
With an assembly (and xarray) it writes nothing and prints what the test on real recordings states:
`python make_ceiling.py assy.nc`.
"""

import json
import sys
from itertools import combinations

import numpy as np
from scipy.special import gammaln
from scipy.stats import foldnorm, pearsonr

RNG = np.random.default_rng(1910)


def halvings(repetitions):
    """First halves of the repetition numbers, each split once; 100 random ones of more than eight."""
    first = -(-repetitions // 2)
    if repetitions > 8:
        return [RNG.permutation(repetitions)[:first] for _ in range(100)]
    every = combinations(range(repetitions), first)
    return [np.array(half) for half in every if repetitions % 2 or 0 in half]


def averages(values, stimulus_of, stimuli, mask):
    present = mask & ~np.isnan(values)
    sums = np.bincount(stimulus_of[present], values[present], stimuli)
    with np.errstate(invalid="ignore"):
        return sums / np.bincount(stimulus_of[present], minlength=stimuli)


def split_half(values, stimulus_of, repetition_of, stimuli, half):
    first = np.isin(repetition_of, half)
    a = averages(values, stimulus_of, stimuli, first)
    b = averages(values, stimulus_of, stimuli, ~first)
    both = ~np.isnan(a) & ~np.isnan(b)
    if both.sum() < 3:  # two always correlate perfectly
        return np.nan
    return pearsonr(a[both], b[both]).statistic


def spearman_brown(r):
    return np.maximum(2 * r / (1 + r), -1.0)


def drift(values, stimulus_of, repetition_of, stimuli, repetitions):
    """Least squares with a mean of each stimulus; of stimuli that were recorded twice or more."""
    recorded = ~np.isnan(values)
    counts = np.bincount(stimulus_of[recorded], minlength=stimuli)
    used = recorded & (counts[stimulus_of] >= 2)
    s = np.eye(stimuli)[stimulus_of[used]]
    r = np.eye(repetitions)[repetition_of[used]]
    solution = np.linalg.lstsq(np.hstack([s, r]), values[used], rcond=None)[0]
    shared = np.where(r.any(axis=0), solution[stimuli:], 0)
    about_means = used.sum() - (counts >= 2).sum()
    free = about_means - (r.any(axis=0).sum() - 1)
    if (counts >= 2).sum() < 3 or free <= 0:
        return np.zeros(repetitions), 1.0
    return shared, np.sqrt(about_means / free)


def errors(values, stimulus_of, repetition_of, stimuli, repetitions):
    shared, inflation = drift(values, stimulus_of, repetition_of, stimuli, repetitions)
    left = values - shared[repetition_of]
    share = averages(np.where(np.isnan(values), np.nan, shared[repetition_of]), stimulus_of, stimuli, True)
    n, sd = np.zeros(stimuli, int), np.full(stimuli, np.nan)
    for stimulus in range(stimuli):
        own = left[stimulus_of == stimulus]
        own = own[~np.isnan(own)]
        n[stimulus] = len(own)
        if len(own) >= 2:
            k = len(own)
            c4 = np.sqrt(2 / (k - 1)) * np.exp(gammaln(k / 2) - gammaln((k - 1) / 2))
            sd[stimulus] = inflation * own.std(ddof=1) / c4
    sd = np.where(n == 1, np.nanmean(sd), sd)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = sd / np.sqrt(n)
    return foldnorm.mean(np.abs(share - np.nanmean(share)) / scale, scale=scale)


def listed(values):
    return [None if np.isnan(value) else float(value) for value in values]


def measured(values, stimulus_of, repetition_of, stimuli, repetitions):
    """Corrected correlations of each halving, and expected errors, of one site."""
    halves = halvings(repetitions)
    found = [split_half(values, stimulus_of, repetition_of, stimuli, half) for half in halves]
    return (
        [spearman_brown(r) for r in found],
        errors(values, stimulus_of, repetition_of, stimuli, repetitions),
    )


def case(repetitions, noise, sites, missing, shared=0.0):
    stimulus_of = np.repeat(np.arange(len(repetitions)), repetitions)
    repetition_of = np.concatenate([np.arange(n) for n in repetitions])
    order = RNG.permutation(len(stimulus_of))
    stimulus_of, repetition_of = stimulus_of[order], repetition_of[order]
    scored, corrected = [], []
    for _ in range(sites):
        rates = RNG.normal(3, 1, len(repetitions))
        blocks = RNG.normal(0, shared, max(repetitions))
        values = np.round(RNG.normal(rates[stimulus_of], noise) + blocks[repetition_of], 3)
        values[RNG.random(len(values)) < missing] = np.nan
        found, expected = measured(
            values, stimulus_of, repetition_of, len(repetitions), max(repetitions)
        )
        corrected.append(found)
        scored.append(
            {
                "values": listed(values),
                "ceiling": float(np.nanmean(found)),
                "errors": listed(expected),
            }
        )
    # Brain-Score's order: the median over neuroids, then the mean over splits and its standard error.
    medians = np.nanmedian(corrected, axis=0)
    medians = medians[~np.isnan(medians)]
    return {
        "stimuli": len(repetitions),
        "stimulus_of": stimulus_of.tolist(),
        "repetition_of": repetition_of.tolist(),
        "sites": scored,
        "consistency": float(medians.mean()),
        "error": float(medians.std() / np.sqrt(len(medians))),
    }


def real(path):
    import xarray as xr

    dataset = xr.open_dataset(path)
    table = next(v for v in dataset.data_vars.values() if {"neuroid", "presentation"} <= set(v.dims))
    table = table.squeeze().transpose("neuroid", "presentation")
    ids = dataset["stimulus_id" if "stimulus_id" in dataset else "image_id"].values
    names, stimulus_of = np.unique(ids, return_inverse=True)
    numbers, repetition_of = np.unique(dataset["repetition"].values, return_inverse=True)
    columns = table.values.astype("float64")
    # The same halves for all sites.
    halves = halvings(len(numbers))
    globals()["halvings"] = lambda _: halves
    found = [
        measured(column, stimulus_of, repetition_of, len(names), len(numbers)) for column in columns
    ]
    corrected = np.array([of_site for of_site, _ in found])
    ceilings = np.nanmean(corrected, axis=1)
    low, middle, high = np.min(ceilings), np.median(ceilings), np.max(ceilings)
    print(f"ceiling {low:.4f} to {high:.4f}, median {middle:.4f}; first site {ceilings[0]:.4f}")
    print(f"consistency {np.median(corrected, axis=0).mean():.4f}")
    print(f"noise floor {np.nanmean([errors for _, errors in found]):.5f}")


def main():
    cases = [
        case([2] * 12, 0.6, 2, 0.0),
        case([4, 5, 3, 4, 6, 4, 7, 2, 4, 1], 1.0, 2, 0.0),
        case([5, 3, 6, 4, 2, 5, 4, 3, 1, 6, 4, 5], 1.5, 3, 0.35),
        case([3] * 6, 9.0, 3, 0.0),  # nothing but noise: corrected values at their bound
        case([4, 5, 3, 4, 6, 4, 7, 2, 4, 1], 0.7, 3, 0.1, 2.0),  # blocks that drift
    ]
    with open("ceiling.json", "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    real(sys.argv[1]) if len(sys.argv) > 1 else main()
