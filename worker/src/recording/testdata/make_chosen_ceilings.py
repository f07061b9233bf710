"""Writes chosen_ceilings.json: the ceilings that a sweep file can choose, computed with NumPy.

Needs numpy and scipy; run from this folder: `python make_chosen_ceilings.py`. Made with NumPy 1.26.4, SciPy 1.17.1.

As brainscore-vision 2.4.2 computes them: `internal_consistency` halves the sorted labels by scikit-learn's
ShuffleSplit(10, train_size=0.5, random_state=1); `SplitHalfPredictorConsistency` halves each stimulus's labels by
default_rng(0), stimuli in the order of their ids; a coordinate's error is over 1,000 resamples by RandomState(0).
"""

import json
import warnings

import numpy as np
from scipy.stats import pearsonr

warnings.filterwarnings("ignore")
RNG = np.random.default_rng(2026)


def made(repetitions_of, sites, noise, missing=0.0, labels=None):
    """Presentations in a shuffled order; `labels[k]` is the label of a stimulus's k-th repetition."""
    stimuli = len(repetitions_of)
    stimulus_of, label_of = [], []
    for stimulus, repetitions in enumerate(repetitions_of):
        for k in range(repetitions):
            stimulus_of.append(stimulus)
            label_of.append(k if labels is None else labels(stimulus, k))
    order = RNG.permutation(len(stimulus_of))
    stimulus_of, label_of = np.array(stimulus_of)[order], np.array(label_of)[order]
    truth = RNG.normal(size=(stimuli, sites))
    values = truth[stimulus_of] + noise * RNG.normal(size=(len(order), sites))
    values = np.round(values * 256) / 256
    values[RNG.random(values.shape) < missing] = np.nan
    return stimulus_of, label_of, values


def consistency(halvings, values, sites):
    """Halvings are lists of pairs of presentations, one pair a stimulus."""
    raw = []
    for halving in halvings:
        halves = [np.array([np.nanmean(values[half], axis=0) for half in side]) for side in zip(*halving)]
        r = [pearsonr(halves[0][:, site], halves[1][:, site])[0] if np.isfinite(halves[0][:, site] + halves[1][:, site]).all() else np.nan for site in range(sites)]
        r = np.array(r)
        raw.append(2 * r / (1 + r))
    raw = np.array(raw)
    medians = np.nanmedian(raw, axis=1)
    return {
        "consistency": float(medians.mean()),
        "error": float(medians.std() / np.sqrt(len(medians))),
        "ceilings": [None if np.isnan(of) else float(of) for of in np.nanmean(raw, axis=0)],
    }


def by_label(stimulus_of, label_of):
    labels = np.unique(label_of)
    rng = np.random.RandomState(1)
    for _ in range(10):
        drawn = rng.permutation(len(labels))
        test = int(np.ceil(0.5 * len(labels)))
        second, first = labels[drawn[:test]], labels[drawn[test:]]
        yield [
            [np.where((stimulus_of == of) & np.isin(label_of, half))[0] for half in (first, second)]
            for of in range(stimulus_of.max() + 1)
        ]


def even_odd(stimulus_of, label_of):
    parity = np.zeros(len(label_of), int)
    for of in range(stimulus_of.max() + 1):
        at = np.where(stimulus_of == of)[0]
        parity[at] = np.unique(label_of[at], return_inverse=True)[1] % 2
    return by_label(stimulus_of, parity)


def per_stimulus(stimulus_of, label_of):
    rng = np.random.default_rng(0)
    for _ in range(10):
        halving = []
        for of in range(stimulus_of.max() + 1):
            at = np.where(stimulus_of == of)[0]
            labels = np.unique(label_of[at])
            if len(labels) < 2:
                continue
            drawn = rng.permutation(labels)
            halves = drawn[: len(labels) // 2], drawn[len(labels) // 2 :]
            halving.append([at[np.isin(label_of[at], half)] for half in halves])
        yield halving


def case(name, data, kinds, text=False):
    """Labels are numbers, or their digits as text."""
    stimulus_of, numbers, values = data
    label_of = numbers.astype(str) if text else numbers
    sites = values.shape[1]
    halvings = {"repetition": by_label, "even-odd": even_odd, "per-stimulus": per_stimulus}
    return {
        "name": name,
        "stimulus_of": stimulus_of.tolist(),
        "label_of": numbers.tolist(),
        "text": text,
        "values": [[None if np.isnan(of) else of for of in row] for row in values.tolist()],
        "ceilings": {kind: consistency(halvings[kind](stimulus_of, label_of), values, sites) for kind in kinds},
    }


def coordinate(values):
    finite = values[np.isfinite(values)]
    rng = np.random.RandomState(0)
    medians = [np.median(rng.choice(finite, size=finite.size, replace=True)) for _ in range(1000)]
    return {
        "values": [None if np.isnan(of) else float(of) for of in values],
        "consistency": float(np.nanmedian(values)),
        "error": float(np.std(medians)),
    }


ALL = ["repetition", "even-odd", "per-stimulus"]
reliabilities = np.round(RNG.random(21), 3)
reliabilities[[3, 17]] = np.nan
fixture = {
    "cases": [
        case("six of each", made([6] * 14, 3, 0.8), ALL),
        case("an odd number", made([5] * 12, 4, 1.5), ALL),
        case("eleven labels, in the order of numbers", made([11] * 11, 2, 2.0), ALL),
        case("ragged", made([4 + k % 3 for k in range(13)], 3, 1.0), ["even-odd", "per-stimulus"]),
        case("some shown once", made([1 + k % 4 for k in range(20)], 3, 0.7), ["per-stimulus"]),
        case("labels with gaps", made([4] * 12, 2, 1.0, labels=lambda s, k: 10 * k + 3 * (s % 2)), ["even-odd", "per-stimulus"]),
        case("missing responses", made([4] * 12, 5, 0.6, missing=0.04), ALL),
        case("twelve labels of text, in the order of text", made([12] * 11, 2, 2.0), ALL, text=True),
    ],
    "coordinates": [coordinate(reliabilities), coordinate(np.array([0.5])), coordinate(np.linspace(0.2, 0.9, 6))],
}
with open("chosen_ceilings.json", "w") as out:
    json.dump(fixture, out, separators=(",", ":"))
    out.write("\n")
for of in fixture["cases"]:
    print(of["name"], {k: (v["consistency"], v["error"], v["ceilings"]) for k, v in of["ceilings"].items()})
print(fixture["coordinates"])
