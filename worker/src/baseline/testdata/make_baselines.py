"""Makes baselines.json: activations, responses, and what scikit-learn's linear models predict from them.

    python make_baselines.py > baselines.json

Made with scikit-learn 1.9.1, NumPy 2.4.6; other versions differ in the last digits.
"""

import json
import sys
import warnings

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression, RidgeCV

# Relative to the mean eigenvalue of the centred Gram matrix, as `ridge.rs` has them.
PENALTIES = np.logspace(-6, 6, 25)
COMPONENTS = 25


def ridge(activations, responses):
    centred = activations - activations.mean(0)
    mean = (centred**2).sum() / len(centred)
    model = RidgeCV(alphas=PENALTIES * mean, alpha_per_target=True, store_cv_results=True)
    return model.fit(activations, responses), mean


def by_site(fit, activations, responses, others):
    """Each site by the stimuli that it has responses to."""
    columns = []
    for site in range(responses.shape[1]):
        present = ~np.isnan(responses[:, site])
        columns.append(fit(activations[present], responses[present, site : site + 1])(others))
    return np.stack([np.ravel(column) for column in columns], 1)


def case(name, activations, layers, training, responses):
    units = [part.shape[1] for part in np.split(activations, layers, axis=1)]
    others = [stimulus for stimulus in range(len(activations)) if stimulus not in set(training)]
    learned, seen = activations[training].astype(np.float64), activations[others].astype(np.float64)
    responses64 = responses.astype(np.float64)
    penalties = []
    left_out = []

    def fit_ridge(x, y):
        model, mean = ridge(x, y)
        penalties.append(float(np.ravel(model.alpha_)[0] / mean))
        chosen = int(np.argmin(np.abs(model.alphas - np.ravel(model.alpha_)[0])))
        left_out.append(model.cv_results_.reshape(len(x), -1)[:, chosen].tolist())
        return model.predict

    means = np.nanmean(responses64, 0)
    filled = np.where(np.isnan(responses64), means, responses64)
    components = min(COMPONENTS, learned.shape[1], len(training) - 1)
    pls = PLSRegression(n_components=components, scale=False).fit(learned, filled)
    return {
        "name": name,
        "stimuli": len(activations),
        "units": units,
        "layers": [part.ravel().tolist() for part in np.split(activations, layers, axis=1)],
        "training": training,
        "others": others,
        "sites": responses.shape[1],
        "responses": [None if np.isnan(r) else float(r) for r in responses.ravel()],
        "ols": by_site(lambda x, y: LinearRegression().fit(x, y).predict, learned, responses64, seen).ravel().tolist(),
        "ridge": by_site(fit_ridge, learned, responses64, seen).ravel().tolist(),
        "penalties": penalties,
        # Squared errors at stimuli that are left out, by site: of those with a response.
        "left_out": left_out,
        "pls": pls.predict(seen).ravel().tolist(),
    }


def main():
    rng = np.random.default_rng(3)
    stimuli, units, sites = 54, 70, 4
    wide = rng.normal(size=(stimuli, units)) * np.linspace(3, 0.1, units) + rng.normal(size=units)
    # Multiples of 1/64 have few digits.
    wide = (np.round(np.maximum(wide, 0) * 64) / 64).astype(np.float32)
    training = sorted(rng.choice(stimuli, 42, replace=False).tolist())

    def responses(activations):
        weights = rng.normal(size=(activations.shape[1], sites)) / 4
        noise = np.array([0.1, 1, 3, 10])
        exact = activations[training] @ weights + 7
        return (np.round((exact + noise * rng.normal(size=exact.shape)) * 64) / 64).astype(np.float32)

    narrow = np.concatenate([wide[:, :6], wide[:, 40:43]], 1)
    twice = wide.copy()
    twice[training[3]], twice[training[9]] = twice[training[0]], twice[training[1]]
    missing = responses(wide)
    missing[[1, 5, 6], 1] = np.nan
    missing[[0, 5], 3] = np.nan
    one = responses(wide)[:, 2:3]
    cases = [
        case("more units than stimuli, two layers", wide, [30], training, responses(wide)),
        case("more stimuli than units", narrow, [], training, responses(narrow)),
        case("stimuli shown twice", twice, [], training, responses(twice)),
        case("missing responses", wide, [], training, missing),
        case("one site", wide, [], training, one),
    ]
    json.dump(cases, sys.stdout)
    print()


with warnings.catch_warnings():
    warnings.simplefilter("error")
    main()
