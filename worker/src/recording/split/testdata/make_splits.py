"""Writes splits.json: the splits of scikit-learn, as Brain-Score uses them, or why it refuses.

Needs scikit-learn; run from this folder: `python make_splits.py`. Made with scikit-learn 1.5.2, NumPy 1.26.4.
"""

import json

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

RNG = np.random.default_rng(2018)


def case(stimuli, seed, classes=None, numbers=(0, 1, 9)):
    arguments = dict(n_splits=10, train_size=0.9, test_size=None, random_state=seed)
    splitter = ShuffleSplit(**arguments) if classes is None else StratifiedShuffleSplit(**arguments)
    made = {"stimuli": stimuli, "seed": seed, "classes": None, "splits": [], "refused": None}
    if classes is not None:
        made["classes"] = [str(of) for of in classes]
    try:
        splits = list(splitter.split(np.zeros(stimuli), classes))
        made["splits"] = [[n, splits[n][0].tolist(), splits[n][1].tolist()] for n in numbers]
    except ValueError as error:
        made["refused"] = str(error)
    return made


def drawn(stimuli, classes):
    return np.array([f"c{of}" for of in RNG.integers(0, classes, stimuli)])


cases = [case(n, seed) for n, seed in [(2, 1), (9, 1), (10, 0), (11, 1), (64, 1), (97, 3), (100, 2**32 - 1)]]
cases += [
    case(64, 1, np.array(["car", "face", "dog", "chair"])[np.arange(64) % 4]),
    case(40, 2, np.array(["car", "face", "dog", "chair"])[np.arange(40) % 4]),
    case(90, 1, drawn(90, 3)),
    case(90, 5, drawn(90, 8)),
    case(133, 1, drawn(133, 13)),
    case(61, 1, np.arange(61) % 5),
    # Numbers are classes in the order of numbers: 2 before 10.
    case(72, 1, np.array([2, 10, 1])[np.arange(72) % 3]),
    case(50, 4, np.array(["b", "a"])[(np.arange(50) > 2).astype(int)]),
    case(50, 1, np.array(["é", "Z", "a", "_"])[np.arange(50) % 4]),
    # Many equal remainders, which the lot decides.
    case(84, 1, np.array([f"o{of:02}" for of in np.arange(84) % 7]), (0, 4)),
    case(120, 11, np.array([f"o{of:02}" for of in np.arange(120) % 8]), (0, 7)),
    # Refused.
    case(30, 1, np.array(["a"] * 29 + ["b"])),
    case(30, 1, np.array([f"o{of}" for of in np.arange(30) % 5])),
    case(1, 1),
    case(20, 1, np.array([f"o{of}" for of in np.arange(20) % 10])),
]
with open("splits.json", "w") as out:
    json.dump(cases, out, separators=(",", ":"))
    out.write("\n")
for made in cases:
    print(made["stimuli"], made["seed"], made["refused"])
