"""Makes row_space.json: activations, their principal components by scikit-learn, and what least squares
on them predicts.

    python make_row_space.py > row_space.json

Made with scikit-learn 1.9.1, NumPy 2.4.6; other versions differ in the last digits.
"""

import json
import sys

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

STIMULI, UNITS, SITES = 24, 60, 3


def case(name, activations, training, rng):
    training = np.array(training)
    learned = activations[training].astype(np.float64)
    rank = int(np.linalg.matrix_rank(learned - learned.mean(0)))
    pca = PCA(n_components=rank, svd_solver="full").fit(learned)
    responses = rng.normal(size=(len(training), SITES)).astype(np.float32)
    # Of least norm where stimuli are fewer than units.
    regression = LinearRegression().fit(learned, responses.astype(np.float64))
    return {
        "name": name,
        "stimuli": len(activations),
        "units": activations.shape[1],
        "activations": activations.ravel().tolist(),
        "training": training.tolist(),
        "rank": rank,
        "components": pca.transform(activations.astype(np.float64)).ravel().tolist(),
        "sites": SITES,
        "responses": responses.ravel().tolist(),
        "predicted": regression.predict(activations.astype(np.float64)).ravel().tolist(),
    }


def main():
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(STIMULI, UNITS)) * np.linspace(3, 0.1, UNITS) + rng.normal(size=UNITS)
    wide = np.maximum(wide, 0).astype(np.float32)
    training = [0, 2, 3, 5, 6, 8, 9, 11, 13, 14, 16, 17, 19, 21, 22]
    narrow = wide[:, :5].copy()
    twice = wide.copy()
    twice[[3, 9, 14]] = twice[[0, 2, 2]]
    cases = [
        case("more units than stimuli", wide, training, rng),
        case("more stimuli than units", narrow, training, rng),
        case("stimuli shown twice", twice, training, rng),
    ]
    json.dump(cases, sys.stdout)
    print()


main()
