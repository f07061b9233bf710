"""Train and test recordings of three subjects, and the scores that Brain-Score's formulas give them: ridge regression
fitted and ceiled subject by subject (scikit-learn 1.5.2, SciPy 1.17.1, NumPy 1.26.4). Random numbers, of no animal.

The test file has its sites in another order than the train file, and alone says how reliable they are."""

import json
from pathlib import Path

import numpy as np
from scipy.io import netcdf_file
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge, RidgeCV

HERE = Path(__file__).parent
SUBJECTS = {"Ada": 6, "Bo": 4, "Cy": 5}
TRAIN, TEST, REPETITIONS, UNITS = 44, 12, 5, 30
ALPHAS = np.hstack(
    [[0.01, 0.1, 0.5, 1.0], np.linspace(10, 100, 4, endpoint=False)]
    + [np.linspace(10.0**at, 10.0 ** (at + 1), 18, endpoint=False) for at in range(2, 6)]
    + [np.linspace(1e6, 1e7, 19)]
)


def words(file, name, dimension, values):
    width = max(len(value) for value in values)
    if f"{name}_length" not in file.dimensions:
        file.createDimension(f"{name}_length", width)
    variable = file.createVariable(name, "S1", (dimension, f"{name}_length"))
    variable[:] = np.array([list(value.ljust(width, "\0")) for value in values], "S1")


def write(path, responses, stimuli, repetitions, sites, whose, reliability=None):
    """`responses`: presentations x sites."""
    with netcdf_file(path, "w") as file:
        file.createDimension("presentation", responses.shape[0])
        file.createDimension("neuroid", responses.shape[1])
        file.createVariable("data", "f8", ("presentation", "neuroid"))[:] = responses
        words(file, "stimulus_id", "presentation", stimuli)
        file.createVariable("repetition", "i4", ("presentation",))[:] = repetitions
        file.createVariable("neuroid_id", "i4", ("neuroid",))[:] = [site for _, site in sites]
        words(file, whose, "neuroid", [subject for subject, _ in sites])
        words(file, "region", "neuroid", ["IT"] * len(sites))
        if reliability is not None:
            file.createVariable("reliability", "f4", ("neuroid",))[:] = reliability


def ceiling(responses, repetitions):
    """`responses`: stimuli x repetitions x sites, of one subject."""
    state = np.random.RandomState(1)
    medians = []
    for _ in range(10):
        order = state.permutation(repetitions)
        half = -(-repetitions // 2)
        second, first = order[:half], order[half:]
        halves = [responses[:, which].mean(axis=1) for which in (first, second)]
        r = np.array([pearsonr(*[half[:, site] for half in halves])[0] for site in range(responses.shape[2])])
        medians.append(np.median(2 * r / (1 + r)))
    return float(np.mean(medians))


def main():
    rng = np.random.default_rng(20261130)
    # Activations are cached in single precision, which changes them by less than 1e-6.
    units = np.round(rng.normal(size=(TRAIN + TEST, UNITS)) * 3, 3)
    sites = [(subject, site) for subject, count in SUBJECTS.items() for site in range(count)]
    weights = rng.normal(size=(UNITS, len(sites)))
    noise = rng.uniform(1.0, 9.0, len(sites))
    rates = 20 + units @ weights / 2
    train = rates[:TRAIN] + noise * rng.normal(size=(TRAIN, len(sites)))
    test = rates[TRAIN:, None] + noise * rng.normal(size=(TEST, REPETITIONS, len(sites)))
    reliability = rng.uniform(0.1, 1.0, len(sites)).astype("f4")
    reliability[3] = np.nan
    ids = [f"{at:03}" for at in range(TRAIN + TEST)]

    write(HERE / "train.nc", train, ids[:TRAIN], [0] * TRAIN, sites, "animal")
    order = rng.permutation(len(sites))
    shown = [(stimulus, repetition) for repetition in range(REPETITIONS) for stimulus in rng.permutation(TEST)]
    rows = np.array([test[stimulus, repetition] for stimulus, repetition in shown])
    write(
        HERE / "test.nc",
        rows[:, order],
        [ids[TRAIN + stimulus] for stimulus, _ in shown],
        [repetition for _, repetition in shown],
        [sites[site] for site in order],
        "subject",
        reliability[order],
    )

    expected = {"units": units.tolist(), "ids": ids, "subjects": [*SUBJECTS], "filters": {}}
    for name, passing in [("", np.ones(len(sites), bool)), ("reliability > 0.3", reliability > 0.3)]:
        of_filter = {"sites": int(passing.sum())}
        for model in ["ridgecv", "ridge-1"]:
            subjects = {}
            for subject in SUBJECTS:
                mine = [at for at, (of, _) in enumerate(sites) if of == subject and passing[at]]
                fitted = RidgeCV(alphas=ALPHAS) if model == "ridgecv" else Ridge(alpha=1.0)
                fitted.fit(units[:TRAIN], train[:, mine])
                predicted = fitted.predict(units[TRAIN:]).reshape(TEST, -1)
                means = test[:, :, mine].mean(axis=1)
                r = [pearsonr(means[:, at], predicted[:, at])[0] for at in range(len(mine))]
                center, most = float(np.median(r)), ceiling(test[:, :, mine], REPETITIONS)
                alpha = float(fitted.alpha_) if model == "ridgecv" else 1.0
                subjects[subject] = {"center": center, "ceiling": most, "score": center**2 / most, "alpha": alpha}
            means = {key: float(np.mean([of[key] for of in subjects.values()])) for key in ["center", "score"]}
            means["ceiling"] = ceiling(test[:, :, passing], REPETITIONS)
            of_filter[model] = {"subjects": subjects, **means}
        expected["filters"][name] = of_filter
    with open(HERE / "given.json", "w") as file:
        json.dump(expected, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
