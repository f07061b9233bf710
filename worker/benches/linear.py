"""Ridge regression and PLS of one wide layer, beside scikit-learn and himalaya.

    just bench-linear PYTHON        # PYTHON needs `pip install numpy scipy pillow scikit-learn==1.5.2 himalaya packaging`

makes recordings and features from a seed, neither from a brain nor a network: 960 stimuli of which 96 test, 100,352
units, 89 sites. `nrp run` goes from the files to the scores with an empty cache: it also checks and caches the
features. The peers have centred arrays of 64 bits in memory before their clock starts. Each round runs nrp, nrp of
`--before` if it is given, and the peers, in turn.

scikit-learn must have the same median r as nrp. himalaya's `KernelRidgeCV` chooses α by five folds rather than by
leaving out each stimulus, so its r may differ by 0.02.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ridgecv import make, measured

SWEEP = """
name = "linear"
[recordings]
assembly = "responses.nc"
stimuli = "stimuli.csv"
images = "images.zip"
regions = ["V4"]
[split]
SPLIT
[[ann]]
name = "features"
weights = "UNITS.npy"
[grid]
depth = []
[training]
inputs = "none"
targets = "none"
baselines = BASELINES
"""

ONE = 'scheme = "file"\nfile = "splits.json"'
TEN = 'scheme = "shuffle"'
# Name: split, baselines
SWEEPS = {
    "ridge": (ONE, ["ridge"]),
    "pls": (ONE, ["pls"]),
    "both, one split": (ONE, ["ridge", "pls"]),
    "both, ten splits": (TEN, ["ridge", "pls"]),
}
PEERS = {"ridge": ["scikit-learn", "himalaya"], "pls": ["scikit-learn"]}
# How far the median r may be from nrp's.
AGREE = {"scikit-learn": 1e-5, "himalaya": 0.02}


def nrp(binary, place, units, split, baselines):
    """Seconds, processor seconds, peak memory in GB, and the median r of each baseline in its first split."""
    with tempfile.TemporaryDirectory(dir=place) as state:
        sweep = Path(state) / "sweep.toml"
        text = SWEEP.replace("SPLIT", split).replace("UNITS", str(units))
        sweep.write_text(text.replace("BASELINES", json.dumps(baselines)))
        common = ["--data-dir", place, "--state", f"{state}/state"]
        *used, _ = measured([binary, "run", sweep, *common, "--cache", f"{state}/cache"], stderr=subprocess.DEVNULL)
        rows = json.loads(subprocess.check_output([binary, "best", "--state", f"{state}/state", "--output", "json"]))
        return used, {row["model"]: row["pearson_per_split"][0] for row in rows if row["model"] in baselines}


def peer(name, model, place, units, train):
    activations = np.load(place / f"{units}.npy").astype("f8")
    responses = np.load(place / "means.npy").astype("f8")
    offset, mean = activations[:train].mean(0), responses[:train].mean(0)
    activations -= offset
    learned, seen = activations[:train], activations[train:]
    targets = responses[:train] - mean
    strengths = (learned**2).sum() / train * 10 ** np.linspace(-6, 6, 25)
    if model == "pls":
        from sklearn.cross_decomposition import PLSRegression

        fit = PLSRegression(n_components=25, scale=False)
    elif name == "scikit-learn":
        from sklearn.linear_model import RidgeCV

        fit = RidgeCV(alphas=strengths, alpha_per_target=True)
    else:
        from himalaya.kernel_ridge import KernelRidgeCV

        fit = KernelRidgeCV(alphas=strengths)
    start = [time.perf_counter(), time.process_time()]
    predicted = np.asarray(fit.fit(learned, targets).predict(seen))
    seconds = [time.perf_counter() - start[0], time.process_time() - start[1]]
    a, b = (of - of.mean(0) for of in (predicted, responses[train:]))
    r = (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))
    print(json.dumps([seconds, float(np.median(r))]))


def agree(name, model, found, expected):
    if abs(found - expected) > AGREE.get(name, 1e-9):
        sys.exit(f"{model}: r is {found} by {name} and {expected} by nrp")


def one_round(given, place):
    """What each took: by its name and sweep."""
    took = {}
    for sweep, (split, baselines) in SWEEPS.items():
        took["nrp", sweep], scores = nrp(given.nrp, place, given.units, split, baselines)
        if given.before:
            took["before", sweep], former = nrp(given.before, place, given.units, split, baselines)
            for model in baselines:
                agree("before", model, former[model], scores[model])
        for name in PEERS.get(sweep, []):
            arguments = ["--place", place, "--units", given.units, "--stimuli", given.stimuli, "--tests", given.tests]
            command = [sys.executable, __file__, given.nrp, *arguments, "--peer", name, sweep]
            *_, memory, out = measured([str(word) for word in command])
            seconds, r = json.loads(out)
            agree(name, sweep, r, scores[sweep])
            took[name, sweep] = [*seconds, memory]
        print(*(f"{of}: {used}" for of, used in took.items() if of[1] == sweep), sep="\n", flush=True)
    return took


def spread(values, digits):
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table(rounds):
    yield "| | | seconds | processor seconds | peak memory, GB | ÷ nrp |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, sweep in rounds[0]:
        columns = np.array([of[name, sweep] for of in rounds]).T
        ratios = [of[name, sweep][0] / of["nrp", sweep][0] for of in rounds]
        cells = [spread(column, 2) for column in columns] + [spread(ratios, 1)]
        yield f"| {sweep} | {name} | {' | '.join(cells)} |"
    one, ten = (np.array([of["nrp", f"both, {splits}"][0] for of in rounds]) for splits in ("one split", "ten splits"))
    yield f"\nTen splits take {spread(ten / one, 2)} times one."


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("nrp")
    parser.add_argument("--before", help="another binary of nrp, one that reads features")
    parser.add_argument("--stimuli", type=int, default=864)
    parser.add_argument("--tests", type=int, default=96)
    parser.add_argument("--sites", type=int, default=89)
    parser.add_argument("--units", type=int, default=100_352)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--place", type=Path, help="a directory for the files, some 2 GB")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        return peer(*given.peer, given.place, given.units, given.stimuli)
    with tempfile.TemporaryDirectory(dir=given.place) as place:
        place = Path(place)
        make(place, given.stimuli, given.tests, given.sites, [given.units])
        print("\n".join(table([one_round(given, place) for _ in range(given.rounds)])))


if __name__ == "__main__":
    main()
