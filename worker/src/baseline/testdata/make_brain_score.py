"""Makes brain_score.json: recordings, ten splits, and what Brain-Score's protocol makes of them.

    python make_brain_score.py > brain_score.json

The protocol, as `brainscore.metrics.regression` and `brainscore.metrics.transformations` have it: partial least
squares with 25 components, not scaled, fitted to 90 % of the stimuli; Pearson r of each neuroid on the others; the
median over neuroids; over splits the mean, and the standard deviation with ddof 0. Made with scikit-learn 1.9.1,
NumPy 2.4.6, SciPy 1.17.1.
"""

import json
import sys

import numpy as np
from scipy.stats import pearsonr
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import StratifiedShuffleSplit

STIMULI, UNITS, SITES, SPLITS = 120, 70, 7, 10


def main():
    rng = np.random.default_rng(25)
    objects = np.arange(STIMULI) % 6
    activations = rng.normal(size=(STIMULI, UNITS)) + rng.normal(size=(6, UNITS))[objects]
    # Multiples of 1/64 have few digits.
    activations = (np.round(np.maximum(activations, 0) * 64) / 64).astype(np.float32)
    weights = rng.normal(size=(UNITS, SITES)) / 4
    responses = activations @ weights + rng.normal(size=(STIMULI, SITES)) * np.linspace(0.2, 4, SITES)
    responses = (np.round(responses * 64) / 64).astype(np.float32)
    shuffle = StratifiedShuffleSplit(n_splits=SPLITS, test_size=0.1, random_state=1)
    splits = []
    for train, test in shuffle.split(np.zeros(STIMULI), objects):
        model = PLSRegression(n_components=25, scale=False)
        model.fit(activations[train].astype(np.float64), responses[train].astype(np.float64))
        predicted = model.predict(activations[test].astype(np.float64))
        r = [pearsonr(predicted[:, site], responses[test, site]).statistic for site in range(SITES)]
        splits.append({"train": train.tolist(), "test": test.tolist(), "median": float(np.median(r))})
    medians = [split["median"] for split in splits]
    json.dump(
        {
            "stimuli": STIMULI,
            "units": UNITS,
            "sites": SITES,
            "activations": activations.ravel().tolist(),
            "responses": responses.ravel().tolist(),
            "splits": splits,
            "center": float(np.mean(medians)),
            "error": float(np.std(medians)),
        },
        sys.stdout,
    )
    print()


main()
