"""Ridge regression with Brain-Score's 99 α at the size of TVSD, beside scikit-learn's RidgeCV.

    just bench-ridgecv

makes recordings and features (from a seed, and neither from a brain nor a network): 22,248 training stimuli
shown once, 100 test stimuli shown 30 times, 500 sites. `nrp run` scores each layer by `ridgecv`, from the files
to the scores. scikit-learn has the same arrays in memory before its clock starts, and both must choose the same
α and have the same median r. A layer that scikit-learn's fit cannot hold in memory is left to nrp alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np

REPETITIONS = 30
LATENT = 200

SWEEP = """
name = "ridgecv"
[recordings]
assembly = "responses.nc"
stimuli = "stimuli.csv"
images = "images.zip"
regions = ["V4"]
[split]
scheme = "file"
file = "splits.json"
[[ann]]
name = "features"
weights = "UNITS.npy"
[grid]
depth = []
[training]
inputs = "none"
targets = "none"
baselines = ["ridgecv"]
"""


def alphas():
    few = [0.01, 0.1, 0.5, 1, 10, 32.5, 55, 77.5]
    decades = [np.linspace(of, 10 * of, 18, endpoint=False) for of in (1e2, 1e3, 1e4, 1e5)]
    return np.concatenate([few, *decades, np.linspace(1e6, 1e7, 19)])


def features(file, latent, units, seed):
    """Low-dimensional features under noise, as images have them: [stimuli, units], 32 bits."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(LATENT, units)).astype("f4") / np.arange(1, LATENT + 1)[:, None] ** 0.5
    out = np.lib.format.open_memmap(file, "w+", "f4", (len(latent), units))
    for first in range(0, len(latent), 1000):
        rows = latent[first : first + 1000].astype("f4") @ directions
        out[first : first + 1000] = rows + rng.normal(scale=2, size=rows.shape).astype("f4")
    out.flush()


def make(place, stimuli, tests, sites, units):
    from PIL import Image
    from scipy.io import netcdf_file

    rng = np.random.default_rng(1)
    count = stimuli + tests
    latent = rng.normal(size=(count, LATENT))
    ids = [f"train_{at:05}" for at in range(stimuli)] + [f"test_{at:03}" for at in range(tests)]
    (place / "stimuli.csv").write_text("stimulus_id,filename\n" + "".join(f"{of},{of}.png\n" for of in ids))
    with zipfile.ZipFile(place / "images.zip", "w") as images:
        for of in ids:
            picture = BytesIO()
            Image.fromarray(rng.integers(256, size=(4, 4, 3), dtype="u1")).save(picture, "png")
            images.writestr(f"{of}.png", picture.getvalue())
    (place / "splits.json").write_text(json.dumps([{"train": ids[:stimuli], "test": ids[stimuli:]}]))
    signal = latent @ (rng.normal(size=(LATENT, sites)) / LATENT**0.5)
    shown = np.concatenate([np.arange(stimuli), np.repeat(np.arange(stimuli, count), REPETITIONS)])
    labels = np.concatenate([np.zeros(stimuli), np.tile(np.arange(REPETITIONS), tests)])
    responses = (signal[shown] + rng.normal(size=(len(shown), sites))).astype("f4")
    words = lambda of: np.array(of, "S").view("S1").reshape(len(of), -1)
    with netcdf_file(place / "responses.nc", "w") as file:
        file.createDimension("presentation", len(shown))
        file.createDimension("neuroid", sites)
        file.createDimension("letters", 11)
        file.createVariable("data", "f4", ("presentation", "neuroid"))[:] = responses
        file.variables["data"].coordinates = "stimulus_id repetition neuroid_id region"
        fixed = lambda of: words([word.ljust(11, "\0") for word in of])
        file.createVariable("stimulus_id", "S1", ("presentation", "letters"))[:] = fixed([ids[at] for at in shown])
        file.createVariable("repetition", "i4", ("presentation",))[:] = labels
        file.createVariable("neuroid_id", "S1", ("neuroid", "letters"))[:] = fixed([f"site_{at}" for at in range(sites)])
        file.createVariable("region", "S1", ("neuroid", "letters"))[:] = fixed(["V4"] * sites)
    means = np.concatenate([responses[:stimuli], responses[stimuli:].reshape(tests, REPETITIONS, sites).mean(1)])
    np.save(place / "means.npy", means)
    for at, of in enumerate(units):
        features(place / f"{of}.npy", latent, of, at + 2)


def measured(command, **options):
    """Seconds, processor seconds and peak memory in GB of a command, and what it printed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, **options)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"{command} failed")
        out.seek(0)
        return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, out.read()


def nrp(binary, place, units):
    with tempfile.TemporaryDirectory(dir=place) as state:
        sweep = Path(state) / "sweep.toml"
        sweep.write_text(SWEEP.replace("UNITS", str(units)))
        common = ["--data-dir", place, "--state", f"{state}/state"]
        *used, _ = measured([binary, "run", sweep, *common, "--cache", f"{state}/cache"])
        rows = subprocess.check_output([binary, "best", "--state", f"{state}/state", "--output", "json"])
        row = next(row for row in json.loads(rows) if row["model"] == "ridgecv")
        return used, row["alpha"], row["pearson_per_split"][0]


def fits(units, stimuli, sites):
    """Whether scikit-learn's fit fits: its factors, and the copies that it makes of activations, in 64 bits."""
    needed = 8 * (4 * stimuli * units + 3 * min(units, stimuli) ** 2)
    return needed < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def peer(place, units, stimuli):
    from sklearn.linear_model import RidgeCV

    activations = np.load(place / f"{units}.npy").astype("f8")
    means = np.load(place / "means.npy").astype("f8")
    start = [time.perf_counter(), time.process_time()]
    model = RidgeCV(alphas=alphas(), alpha_per_target=False).fit(activations[:stimuli], means[:stimuli])
    predicted = model.predict(activations[stimuli:])
    a, b = (of - of.mean(0) for of in (predicted, means[stimuli:]))
    r = (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))
    seconds = [time.perf_counter() - start[0], time.process_time() - start[1]]
    print(json.dumps([seconds, model.alpha_, np.median(r)]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("nrp")
    parser.add_argument("--stimuli", type=int, default=22248)
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--sites", type=int, default=500)
    parser.add_argument("--units", type=int, nargs="+", default=[4096, 50000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--place", type=Path, help="a directory for the files, some 10 GB")
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        return make(given.place, given.stimuli, given.tests, given.sites, given.units)
    if given.peer:
        return peer(given.place, given.peer, given.stimuli)
    with tempfile.TemporaryDirectory(dir=given.place) as place:
        place = Path(place)
        sizes = [f"--{of}={getattr(given, of)}" for of in ("stimuli", "tests", "sites")]
        # In a process of its own: Linux counts a parent's peak memory as a child's.
        units = ["--units", *map(str, given.units)]
        subprocess.check_call([sys.executable, __file__, given.nrp, "--make", "--place", place, *sizes, *units])
        lines = [
            f"{given.stimuli:,} + {given.tests} stimuli, {given.sites} sites, 99 α; medians of {given.rounds} rounds, ratios"
            " with their range:\n",
            "| units | | seconds | processor seconds | peak memory |",
            "| --- | --- | --- | --- | --- |",
        ]
        for units in given.units:
            rounds = []
            for _ in range(given.rounds):
                ours, chosen, median = nrp(given.nrp, place, units)
                print(units, "nrp", ours, chosen, median, flush=True)
                theirs = None
                if fits(units, given.stimuli, given.sites):
                    arguments = [__file__, given.nrp, "--place", place, "--stimuli", str(given.stimuli)]
                    *_, memory, out = measured([sys.executable, *arguments, "--peer", str(units)])
                    seconds, alpha, r = json.loads(out)
                    theirs = [*seconds, memory]
                    print(units, "scikit-learn", theirs, flush=True)
                    if alpha != chosen or abs(r - median) > 1e-6:
                        sys.exit("nrp and scikit-learn differ")
                rounds.append((ours, theirs))
            lines.extend(rows(units, rounds))
        text = "\n".join(lines)
        print(text)


def rows(units, rounds):
    def shown(name, used):
        wall, processor, memory = np.median(used, axis=0)
        return f"| {units:,} | {name} | {wall:.0f} | {processor:.0f} | {memory:.1f} GB |"

    ours = [of for of, _ in rounds]
    yield shown("nrp", ours)
    if rounds[0][1] is None:
        yield f"| {units:,} | scikit-learn | needs more memory than there is | | |"
        return
    theirs = [of for _, of in rounds]
    yield shown("scikit-learn", theirs)
    ratios = np.array(theirs) / np.array(ours)
    cells = " | ".join(f"{np.median(of):.1f} ({of.min():.1f}–{of.max():.1f})" for of in ratios.T)
    yield f"| {units:,} | scikit-learn ÷ nrp | {cells} |"


if __name__ == "__main__":
    main()
