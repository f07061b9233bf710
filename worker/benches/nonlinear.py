"""What lets NRP networks predict better than ridge regression; writes docs/results/nonlinear.md.

    nrp run sweeps/v4-nonlinear.toml --data-dir data --state STATE
    python3 worker/benches/nonlinear.py NRP STATE SWEEP

reads the trials of a sweep with scheme "shuffle" that has finished, and each trial's error at every site from the
journal. Needs numpy.

A family is what a user could have searched: the grid's cells with certain values on certain axes. On each split
the family's configuration is the one with the lowest validation loss. Its errors and ridge regression's (the
layer set chosen likewise) are of the same test stimuli and sites, so their differences are paired. Two
intervals, both of 95 %: over sites (resampled, the mean over splits kept), which says how sure the difference is
for other sites on such splits; and over splits, by Nadeau & Bengio's (2003) corrected t, since ten splits of the
same stimuli are no ten samples.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/results/nonlinear.md"
MARKS = r"(<!-- nonlinear -->\n).*?(<!-- /nonlinear -->)"
RESAMPLES = 10_000
# Student's t with 9 degrees of freedom, 97.5 %.
T9 = 2.262
# Test stimuli over those fitted to.
RATIO = 0.1 / 0.9

DEFAULT = {"weight_decay": 0.0, "dropout": 0.0, "linear_path": "none", "ensemble": 1}
FAMILIES = {
    "plain": {},
    "weight decay": {"weight_decay": None},
    "dropout": {"dropout": None},
    "weight decay, dropout": {"weight_decay": None, "dropout": None},
    "ensemble of 5": {"ensemble": 5},
    "weight decay, dropout, ensemble of 5": {"weight_decay": None, "dropout": None, "ensemble": 5},
    "linear path": {"linear_path": "ridge"},
    "linear path, weight decay, dropout": {"linear_path": "ridge", "weight_decay": None, "dropout": None},
    "linear path, weight decay, dropout, ensemble of 5": {
        "linear_path": "ridge",
        "weight_decay": None,
        "dropout": None,
        "ensemble": 5,
    },
    "all": dict.fromkeys(DEFAULT),
}


def trials(nrp, state, sweep):
    asked = [nrp, "export", "--format", "jsonl", "--state", state, "--sweep", sweep]
    rows = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()
    sites = {}
    for line in (Path(state) / "journal.jsonl").open():
        event = json.loads(line).get("event", {})
        if event.get("type") == "outcome_recorded" and "finished" in event["outcome"]:
            sites[event["trial"]] = event["outcome"]["finished"]["details"]
    for row in map(json.loads, rows):
        assert row["state"] == "finished", row
        yield row | {"site_error": sites[row["trial"]]["site_error"]}


def winners(rows):
    """The row with the lowest validation loss in each split, in the order of the splits."""
    best = {}
    for row in rows:
        known = best.get(row["split"])
        if known is None or row["validation_mse"] < known["validation_mse"]:
            best[row["split"]] = row
    return [best[split] for split in sorted(best)]


def of_family(row, family):
    return row["model"] == "nrp" and all(
        family.get(axis, default) in (None, row[axis]) if axis in family else row[axis] == default
        for axis, default in DEFAULT.items()
    )


def matrix(rows, field):
    return np.array([row[field] for row in rows], dtype=float)


def compared(rows, ridge, rng):
    difference = matrix(rows, "site_error") - matrix(ridge, "site_error")
    by_site, by_split = difference.mean(0), difference.mean(1)
    drawn = rng.integers(0, len(by_site), (RESAMPLES, len(by_site)))
    sites = np.percentile(by_site[drawn].mean(1), [2.5, 97.5])
    spread = T9 * np.sqrt((1 / len(by_split) + RATIO) * by_split.var(ddof=1))
    splits = by_split.mean() + spread * np.array([-1, 1])
    return by_split.mean(), sites, splits, int((by_split < 0).sum())


def line(name, rows, ridge, rng):
    error = matrix(rows, "nrp_error")
    r = matrix(rows, "pearson_median")
    cells = f"| {name} | {error.mean():.4f} ± {error.std(ddof=1):.4f} | {r.mean():.4f} "
    if rows is ridge:
        return cells + "| | | | |"
    mean, sites, splits, lower = compared(rows, ridge, rng)
    shown = [f"{a:+.4f} to {b:+.4f}" for a, b in (sites, splits)]
    return cells + f"| {mean:+.4f} | {shown[0]} | {shown[1]} | {lower} of {len(rows)} |"


def main(nrp, state, sweep):
    rows = list(trials(nrp, state, sweep))
    rng = np.random.default_rng(0)
    of_model = {model: winners(r for r in rows if r["model"] == model) for model in ("ridge", "pls", "ols")}
    ridge = of_model["ridge"]
    assert len(ridge) == 10
    table = [
        "| model | NRP-error | median r | difference to ridge | over sites | over splits | lower in |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(line(model, of_model[model], ridge, rng) for model in ("ols", "pls", "ridge")),
    ]
    for name, family in FAMILIES.items():
        chosen = winners(row for row in rows if of_family(row, family))
        table.append(line(f"NRP, {name}", chosen, ridge, rng))
    for layers in sorted({"+".join(row["layers"]) for row in rows}):
        here = [row for row in rows if "+".join(row["layers"]) == layers]
        alone = winners(row for row in here if row["model"] == "ridge")
        table.append(line(f"ridge on `{layers}`", alone, ridge, rng))
        chosen = winners(row for row in here if of_family(row, FAMILIES["all"]))
        table.append(line(f"NRP, all, on `{layers}`", chosen, ridge, rng))
    text = "\n".join(table)
    print(text)
    REPORT.write_text(re.sub(MARKS, lambda found: found[1] + text + "\n" + found[2], REPORT.read_text(), flags=re.S))


if __name__ == "__main__":
    main(*sys.argv[1:])
