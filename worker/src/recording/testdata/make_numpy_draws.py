"""Writes numpy_draws.json: what NumPy's legacy RandomState and its default_rng draw.

Needs numpy; run from this folder: `python make_numpy_draws.py`. Made with NumPy 1.26.4.
"""

import json

import numpy as np


def case(seed, lengths, choice, long, among, count):
    legacy = np.random.RandomState(seed)
    permutations = [legacy.permutation(length).tolist() for length in lengths]
    size, of = choice
    chosen = legacy.choice(np.arange(of) ** 2, size=size, replace=False).tolist()
    last = int(legacy.permutation(long)[-1])
    chosen_again = legacy.choice(np.arange(among), size=count, replace=True).tolist()
    modern = np.random.default_rng(seed)
    return {
        "seed": seed,
        "permutations": permutations,
        "choice": choice,
        "chosen": chosen,
        "long": long,
        "last": last,
        "among": among,
        "chosen_again": chosen_again,
        "default_permutations": [modern.permutation(length).tolist() for length in lengths],
    }


cases = [
    case(0, [1, 2, 3, 10, 64], [3, 4], 700, 6, 40),
    case(1, [6, 6, 6, 5, 1, 2], [1, 2], 22_248, 88, 30),
    case(7, [33, 17, 16, 15], [5, 5], 65_537, 1, 5),
    case(2026, [100, 0, 4], [0, 3], 1_000, 1_000, 20),
    case(4_294_967_295, [8, 9, 250], [7, 40], 3_000, 70_001, 20),
]
with open("numpy_draws.json", "w") as out:
    json.dump(cases, out)
    out.write("\n")
