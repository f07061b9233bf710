"""Makes the reference numbers of this folder with PyTorch, scikit-learn and NumPy.

    python make_fixtures.py            # writes *.json beside this file

Made with torch 2.9, scikit-learn and NumPy 2; inputs are rounded to three decimals so that the
files stay small and are exact in both languages.
"""

import json
import pathlib
import warnings

import numpy as np
import torch
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20210101)


def draw(*shape, scale=1.0, offset=0.0):
    return np.round(RNG.normal(size=shape) * scale + offset, 3).astype(np.float32)


def flat(array):
    return [None if np.isnan(value) else float(f"{value:.9g}") for value in np.ravel(array)]


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def shapes(units, l1, l2, depth, sites):
    """Shapes in the order nrp keeps them: wide blocks, their bias, then weight and bias of each."""
    outputs = sites if depth == 0 else l1
    first = sites if depth == 0 else l1 * len(units)
    result = [(n, outputs) for n in units] + [(1, first)]
    width = first
    for _ in range(1, depth):
        result += [(width, l2), (1, l2)]
        width = l2
    if depth > 0:
        result += [(width, sites), (1, sites)]
    return result


def forward(parameters, inputs, depth):
    layers = len(inputs)
    products = [x @ w for x, w in zip(inputs, parameters)]
    values = sum(products) if depth == 0 else torch.cat(products, dim=1)
    values = values + parameters[layers]
    rest = parameters[layers + 1 :]
    for weight, bias in zip(rest[::2], rest[1::2]):
        values = torch.relu(values) @ weight + bias
    return values


def masked_mse(predicted, targets):
    present = ~torch.isnan(targets)
    return ((predicted - torch.nan_to_num(targets))[present] ** 2).mean()


def gradients():
    """Loss and gradients by autograd in float64, depth 0 to 3, one target missing."""
    units, l1, l2, sites, stimuli = [5, 4], 3, 4, 3, 6
    cases = []
    for depth in range(4):
        parameters = [draw(*shape, scale=0.7) for shape in shapes(units, l1, l2, depth, sites)]
        inputs = [draw(stimuli, n) for n in units]
        targets = draw(stimuli, sites)
        targets[2, 1] = np.nan
        tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in parameters]
        predicted = forward(tensors, [torch.tensor(x, dtype=torch.float64) for x in inputs], depth)
        loss = masked_mse(predicted, torch.tensor(targets, dtype=torch.float64))
        loss.backward()
        cases.append(
            dict(
                units=units, l1=l1, l2=l2, depth=depth, sites=sites, stimuli=stimuli,
                parameters=[flat(p) for p in parameters],
                inputs=[flat(x) for x in inputs],
                targets=flat(targets),
                predicted=flat(predicted.detach().numpy()),
                loss=loss.item(),
                gradients=[flat(t.grad.numpy()) for t in tensors],
            )
        )
    write("gradients.json", cases)


def steps():
    """Fifty steps of Adam and AdamW in float32 from the same weights over the same batches."""
    units, l1, l2, depth, sites, stimuli, batch = [40, 24], 8, 8, 2, 5, 48, 20
    parameters = [draw(*shape, scale=0.3) for shape in shapes(units, l1, l2, depth, sites)]
    inputs = [draw(stimuli, n) for n in units]
    targets = draw(stimuli, sites)
    targets[7, 2] = targets[30, 0] = np.nan
    order = []
    while len(order) < 50:
        epoch = RNG.permutation(stimuli)
        order += [epoch[i : i + batch].tolist() for i in range(0, stimuli, batch)]
    order = order[:50]
    runs = []
    for learning_rate, weight_decay in [(3e-3, 0.0), (1e-2, 0.5)]:
        tensors = [torch.tensor(p, requires_grad=True) for p in parameters]
        if weight_decay == 0.0:
            optimiser = torch.optim.Adam(tensors, lr=learning_rate)
        else:
            optimiser = torch.optim.AdamW(tensors, lr=learning_rate, weight_decay=weight_decay)
        losses = []
        for rows in order:
            optimiser.zero_grad()
            predicted = forward(tensors, [torch.tensor(x[rows]) for x in inputs], depth)
            loss = masked_mse(predicted, torch.tensor(targets[rows]))
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        runs.append(dict(learning_rate=learning_rate, weight_decay=weight_decay, losses=losses))
    write(
        "steps.json",
        dict(
            units=units, l1=l1, l2=l2, depth=depth, sites=sites, stimuli=stimuli,
            parameters=[flat(p) for p in parameters],
            inputs=[flat(x) for x in inputs],
            targets=flat(targets),
            batches=order,
            runs=runs,
        ),
    )


def metrics():
    """Scores by scikit-learn and NumPy in float64: complete, with missing cells, a constant site."""
    cases = []
    for missing, constant in [(0, False), (17, False), (9, True)]:
        stimuli, sites = 24, 5
        measured = draw(stimuli, sites, scale=2.0, offset=3.5)
        predicted = (np.round(0.6 * measured, 3) + draw(stimuli, sites)).astype(np.float32)
        if constant:
            measured[:, 3] = 1.25
        gone = RNG.choice(stimuli * sites, missing, replace=False)
        measured.flat[gone] = np.nan
        training_mean = np.round(RNG.normal(size=sites) * 0.2 + 3.5, 6)
        p, m = predicted.astype(np.float64), measured.astype(np.float64)
        present = ~np.isnan(m)
        r2, r, weights = [], [], []
        for site in range(sites):
            rows = present[:, site]
            x, y = p[rows, site], m[rows, site]
            if np.all(y == y[0]):
                continue
            r2.append(r2_score(y, x))
            r.append(np.corrcoef(x, y)[0, 1])
            weights.append(((y - y.mean()) ** 2).sum())
        # What r2_score(multioutput="variance_weighted") does, which takes no missing values.
        pooled = np.average(r2, weights=weights)
        if missing == 0:
            assert np.isclose(pooled, r2_score(m, p, multioutput="variance_weighted"), rtol=1e-13)
        cases.append(
            dict(
                sites=sites,
                predicted=flat(predicted),
                measured=flat(measured),
                training_mean=training_mean.tolist(),
                nrp_error=np.abs(p - m)[present].mean(),
                mean_predictor_error=np.abs(training_mean[None] - m)[present].mean(),
                r2_mean=np.mean(r2),
                r2_median=np.median(r2),
                r2_pooled=pooled,
                pearson_median=np.median(r),
                sites_scored=len(r2),
            )
        )
    write("metrics.json", cases)


def standardisation():
    """Activations of one layer scaled by scikit-learn's StandardScaler, and by one number."""
    stimuli, units, train = 12, 6, list(range(1, 10))
    activations = (draw(stimuli, units) * [1, 2, 0.1, 30, 0, 1] + [0, 5, -2, 1000, 4, 0]).astype(np.float32)
    wide = activations.astype(np.float64)
    scaler = StandardScaler().fit(wide[train])
    assert scaler.scale_[4] == 1.0
    centred = wide - scaler.mean_
    responses = draw(stimuli, 3, scale=2.0, offset=3.5)
    responses[4, 1] = np.nan
    with warnings.catch_warnings():
        targets = StandardScaler().fit(responses[train].astype(np.float64))
    write(
        "standardisation.json",
        dict(
            units=units,
            train=train,
            activations=flat(activations),
            per_unit=flat(scaler.transform(wide)),
            centred=flat(centred / np.sqrt(scaler.var_.mean())),
            sites=3,
            responses=flat(responses),
            training_mean=targets.mean_.tolist(),
            standardised=flat(targets.transform(responses.astype(np.float64))),
        ),
    )


if __name__ == "__main__":
    gradients()
    steps()
    metrics()
    standardisation()
