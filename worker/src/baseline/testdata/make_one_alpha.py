"""Makes one_alpha.json: activations, responses, and what scikit-learn's Ridge(alpha=1) and RidgeCV predict from them.

    python make_one_alpha.py > one_alpha.json

RidgeCV is as Brain-Score calls it: its 99 penalties, one for all sites, chosen by leave-one-out. Where responses are
missing, each site is fitted to its own stimuli, and the penalty has the least squared error over all of them.

Made with scikit-learn 1.5.2, NumPy 1.26.4.
"""

import json
import sys
import warnings

import numpy as np
from sklearn.linear_model import Ridge, RidgeCV

# `ALPHA_LIST` of brainscore-vision 2.4.2.
ALPHAS = [0.01, 0.1, 0.5, 1.0, *np.linspace(1e1, 1e2, 4, endpoint=False)]
for decade in [1e2, 1e3, 1e4, 1e5]:
    ALPHAS += list(np.linspace(decade, 10 * decade, 18, endpoint=False))
ALPHAS += list(np.linspace(1e6, 1e7, 19))


def few_digits(values):
    return np.round(values * 4) / 4


def each(responses):
    """Sites with the same missing responses, with the rows that they have."""
    patterns = ~np.isnan(responses)
    for pattern in np.unique(patterns, axis=1).T:
        yield pattern, np.flatnonzero((patterns == pattern[:, None]).all(0))


def case(name, activations, training, responses):
    others = [stimulus for stimulus in range(len(activations)) if stimulus not in set(training)]
    learned, seen = activations[training], activations[others]
    errors = np.zeros(len(ALPHAS))
    for rows, sites in each(responses):
        if rows.sum() > 1:
            model = RidgeCV(alphas=ALPHAS, alpha_per_target=False, store_cv_results=True)
            model.fit(learned[rows], responses[np.ix_(rows, sites)])
            errors += model.cv_results_.reshape(-1, len(ALPHAS)).sum(0)
    alpha = float(ALPHAS[int(np.argmin(errors))])
    if not np.isnan(responses).any():
        model = RidgeCV(alphas=ALPHAS, alpha_per_target=False).fit(learned, responses)
        assert model.alpha_ == alpha, (model.alpha_, alpha)

    def predicted(alpha):
        table = np.zeros((len(others), responses.shape[1]))
        for rows, sites in each(responses):
            model = Ridge(alpha=alpha).fit(learned[rows], responses[np.ix_(rows, sites)])
            table[:, sites] = model.predict(seen).reshape(len(others), -1)
        return table.ravel().tolist()

    print(f"{name}: alpha {alpha}", file=sys.stderr)
    return {
        "name": name,
        "stimuli": len(activations),
        "units": activations.shape[1],
        "activations": activations.ravel().tolist(),
        "training": training,
        "others": others,
        "sites": responses.shape[1],
        "responses": [None if np.isnan(r) else float(r) for r in responses.ravel()],
        "ridge_one": predicted(1.0),
        "ridgecv": predicted(alpha),
        "alpha": alpha,
        # Squared errors at stimuli that are left out, over stimuli and sites, for every seventh penalty.
        "left_out": errors[::7].tolist(),
    }


def main():
    rng = np.random.default_rng(19)

    def world(stimuli, units, sites, noise, scale=1.0, offset=0.0):
        activations = rng.normal(size=(stimuli, units)) * np.linspace(2, 0.1, units) + offset
        activations = few_digits(activations) * scale
        training = sorted(rng.permutation(stimuli)[: stimuli * 4 // 5].tolist())
        exact = activations[training] / scale @ rng.normal(size=(units, sites))
        return activations, training, few_digits(exact + noise * rng.normal(size=exact.shape) + 7)

    missing = world(20, 9, 5, 1.0)
    missing[2][[1, 5, 6], 1] = np.nan
    missing[2][[0, 5], 3] = np.nan
    missing[2][1:, 4] = np.nan
    constant = world(15, 20, 3, 1.0, scale=8)
    constant[2][:, 1] = 3.0
    twice = world(20, 24, 2, 4.0)
    for copy, of in [(3, 0), (9, 1)]:
        twice[0][twice[1][copy]] = twice[0][twice[1][of]]
    cases = [
        case("more units than stimuli", *world(20, 30, 3, 8.0)),
        case("more stimuli than units", *world(30, 6, 3, 3.0, scale=4)),
        case("as many stimuli as units", *world(20, 16, 2, 2.0)),
        case("no noise: the lowest penalty", *world(20, 5, 2, 0.0)),
        case("large activations, one site", *world(15, 20, 1, 6.0, scale=256, offset=20)),
        case("nothing but noise: the highest penalty", *world(20, 8, 2, 1e3, scale=1024)),
        case("stimuli shown twice", *twice),
        case("a constant site", *constant),
        case("missing responses", *missing),
    ]
    json.dump(cases, sys.stdout)
    print()


with warnings.catch_warnings():
    warnings.simplefilter("error")
    main()
