"""Makes comparisons.json: activations, responses, and how alike NumPy, SciPy and scikit-learn find them.

    python make_comparisons.py > comparisons.json

RDMs are 1 - Pearson's r of rows (`numpy.corrcoef`), compared by `scipy.stats.spearmanr` of the upper triangles; CKA is
the estimate of Song et al. (2012) and the biased one, by their formulas; reverse PLS is scikit-learn's
`PLSRegression(scale=False)` from sites to units, with `scipy.stats.pearsonr` of each unit that varies. With several
subjects, sites belong to them in turn: Nili's bounds are means over subjects, and pairs of them have a CKA.

Made with NumPy 1.26.4, SciPy 1.17.1, scikit-learn 1.5.2.
"""

import json
import sys
import warnings

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.cross_decomposition import PLSRegression


def rdm(rows):
    return (1 - np.corrcoef(rows))[np.triu_indices(len(rows), 1)]


def spearman(a, b):
    return float(spearmanr(a, b).statistic)


def hsic(k, l):
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    a, b = k.sum(0), l.sum(0)
    all_ = a.sum() * b.sum() / ((n - 1) * (n - 2))
    return ((k * l).sum() + all_ - 2 * (a * b).sum() / (n - 2)) / (n * (n - 3))


def cka(x, y):
    # An offset changes nothing but digits.
    x, y = (of.astype(np.longdouble) - of.astype(np.longdouble).mean(0) for of in (x, y))
    k, l = x @ x.T, y @ y.T
    product = hsic(k, k) * hsic(l, l)
    return float(hsic(k, l) / (np.sqrt(product) + 1e-12)) if product > 0 else 0.0


def cka_biased(x, y):
    centre = np.eye(len(x)) - 1 / len(x)
    k, l = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    return float((k * l).sum() / (np.linalg.norm(k) * np.linalg.norm(l)))


def reverse(x, y, components, train, test):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = PLSRegression(n_components=components, scale=False).fit(y[train], x[train])
        predicted = fit.predict(y[test])
        r = [pearsonr(a, b).statistic for a, b in zip(x[test].T, predicted.T)]
    return float(np.nanmedian(r)), int(np.isfinite(r).sum())


def case(name, seed, stimuli, units, sites, components, shape=lambda x: x, offset=0.0, subjects=1):
    rng = np.random.default_rng(seed)
    y = np.round(rng.normal(size=(stimuli, sites)), 1)
    weights = rng.normal(size=(sites, sum(units)))
    x = y @ weights * 0.5 + rng.normal(size=(stimuli, sum(units)))
    x = shape(np.round(x, 2)) + offset
    part = np.sort(rng.permutation(stimuli)[: max(4, stimuli * 3 // 4)])
    train, test = part[: len(part) * 2 // 3], part[len(part) * 2 // 3 :]
    found = {
        "name": name,
        "units": units,
        "sites": sites,
        "activations": [[round(value, 2) for value in row] for row in x.tolist()],
        "responses": y.tolist(),
        "part": part.tolist(),
        "train": train.tolist(),
        "test": test.tolist(),
        "rdm": [spearman(rdm(x), rdm(y)), spearman(rdm(x[part]), rdm(y[part]))],
        "cka": [cka(x, y), cka(x[part], y[part])],
        "cka_biased": [cka_biased(x, y), cka_biased(x[part], y[part])],
        "components": components,
    }
    found["reverse"], found["varying"] = reverse(x, y, components, train, test)
    if subjects > 1:
        of = [y[:, subject::subjects] for subject in range(subjects)]
        rdms = [rdm(own) for own in of]
        mean = np.mean(rdms, axis=0)
        others = [np.mean(np.delete(rdms, at, axis=0), axis=0) for at in range(subjects)]
        found["subjects"] = [
            {
                "rdm": spearman(rdm(x), rdms[at]),
                "upper": spearman(rdms[at], mean),
                "lower": spearman(rdms[at], others[at]),
                "cka": cka(x, of[at]),
                "between": [cka(of[at], of[other]) for other in range(subjects) if other != at],
            }
            for at in range(subjects)
        ]
    return found


def relu(x):
    x = np.maximum(x, 0)
    x[:, 0] = 0  # A dead unit comes first.
    x[:, 3] = 1
    return x


def alike(x):
    x[1] = x[0]
    x[-1] = x[2]
    return x


CASES = [
    case("plain", 1, 24, [13], 7, 5),
    case("more units than stimuli, in two layers", 2, 20, [40, 21], 9, 3),
    case("rectified, with dead and constant units", 3, 24, [30], 8, 4, relu),
    case("far from 0", 4, 18, [17], 6, 2, offset=1e4),
    case("stimuli that look the same", 5, 22, [16], 6, 6, alike),
    case("few stimuli", 6, 12, [12], 4, 2),
    case("as many components as sites", 7, 30, [10], 5, 5),
    case("three subjects", 8, 20, [15], 15, 4, subjects=3),
]
json.dump(CASES, sys.stdout, separators=(",", ":"))
