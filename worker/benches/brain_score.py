"""A Brain-Score benchmark on real recordings and weights, beside Brain-Score's own package; writes
docs/results/brain-score.md.

    just bench-brain-score

scores layers of MobileNet (ImageNet weights) by the preset Cowley2026 on V4 session 201025, from images to the
report. Then Brain-Score's metric scores the same layer, from the activations that nrp extracted and that are in
memory before its clock starts. Both must give the same score. The directory named has the recordings and
weights of sweeps/v4-mobilenet.toml; Python needs brainscore-vision.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/results/brain-score.md"
MARKS = r"(<!-- NAME -->\n).*?(<!-- /NAME -->)"
# Of the layers, the one that Brain-Score's package scores too.
LAYERS = ["conv_pw_3_relu", "conv_pw_6_relu", "conv_pw_9_relu", "conv_pw_11_relu", "conv_pw_13_relu"]
PEER = "conv_pw_13_relu"

SWEEP = """
name = "cowley2026"
preset = "Cowley2026.V4-pls"
[recordings]
assembly = "v4-201025/assy_v4-201025.nc"
stimuli = "v4-201025/stimulus_v4-201025.csv"
images = "v4-201025/stimulus_v4-201025.zip"
[[ann]]
name = "mobilenet"
weights = "weights/mobilenet_1_0_224_tf.h5"
layer_sets = LAYERS
"""


def measured(command):
    """Seconds, processor seconds and peak memory in GB of a command, and what it printed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"{command} failed")
        out.seek(0)
        return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, out.read()


def nrp(binary, data, layers, place):
    place.mkdir()
    sweep = place / "sweep.toml"
    sweep.write_text(SWEEP.replace("LAYERS", json.dumps([[of] for of in layers])))
    where = ["--data-dir", data, "--state", place / "state", "--cache", place / "cache"]
    *used, _ = measured([binary, "run", sweep, *where])
    commitment = subprocess.check_output([binary, "commit", "--state", place / "state", "--output", "json"])
    best = subprocess.check_output([binary, "best", "--state", place / "state", "--output", "json"])
    rows = [row for row in json.loads(best) if row["model"] == "pls" and row["region"] == "V4"]
    return used, rows, json.loads(commitment)


def stored(file):
    """The activations of a cached layer: [stimuli, units]."""
    with open(file, "rb") as layer:
        assert layer.read(8) == b"NRPACT1\n"
        header = json.loads(layer.read(struct.unpack("<I", layer.read(4))[0]))
        return header, np.frombuffer(layer.read()[:-32], "<f4")


def peer(activations, assembly, stimuli):
    """Brain-Score's score of activations of the stimuli in the CSV's order."""
    import pandas as pd
    import xarray as xr
    from brainscore_vision.metrics.regression_correlation.metric import (
        CrossRegressedCorrelation,
        pearsonr_correlation,
        pls_regression,
    )
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

    ids = pd.read_csv(stimuli, dtype=str)["stimulus_id"]
    values = np.load(activations)
    source = NeuroidAssembly(
        values,
        coords={
            "stimulus_id": ("presentation", ids),
            "object_name": ("presentation", ids),
            "neuroid_id": ("neuroid", [f"m.{unit}" for unit in range(values.shape[1])]),
            "neuroid_num": ("neuroid", np.arange(values.shape[1])),
        },
        dims=["presentation", "neuroid"],
    )
    target = responses(assembly, NeuroidAssembly)
    start = [time.perf_counter(), time.process_time()]
    score = CrossRegressedCorrelation(
        regression=pls_regression(),
        correlation=pearsonr_correlation(),
        crossvalidation_kwargs={"stratification_coord": None},
    )(source, target)
    seconds = [time.perf_counter() - start[0], time.process_time() - start[1]]
    medians = score.attrs["raw"].median("neuroid").values.tolist()
    print(json.dumps([seconds, float(score), float(score.attrs["error"]), medians]))


def responses(assembly, kind):
    """The sites' responses, in the order of the stimuli's ids."""
    import h5py

    with h5py.File(assembly) as file:
        values = file["data"][:, :, 0].T
        ids = [of.decode() for of in file["stimulus_id"][:]]
        sites = [of.decode() for of in file["neuroid_id"][:]]
    order = np.argsort(ids)
    ids = np.array(ids)[order]
    coords = {
        "stimulus_id": ("presentation", ids),
        "object_name": ("presentation", ids),
        "neuroid_id": ("neuroid", sites),
        "region": ("neuroid", ["V4"] * len(sites)),
    }
    return kind(values[order], coords=coords, dims=["presentation", "neuroid"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("nrp")
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--dry", action="store_true", help="write no documentation")
    given = parser.parse_args()
    session = Path(given.data) / "v4-201025"
    files = session / "assy_v4-201025.nc", session / "stimulus_v4-201025.csv"
    if given.peer:
        return peer(given.peer, *files)
    compared, table = [], None
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as place:
            place = Path(place)
            one, rows, _ = nrp(given.nrp, given.data, [PEER], place / "one")
            ours = rows[0]["pearson_per_split"]
            (layer,) = (place / "one/cache").glob("*.act")
            header, values = stored(layer)
            np.save(place / "layer.npy", values.reshape(header["stimuli"], header["units"]))
            theirs = measured([sys.executable, __file__, given.nrp, given.data, "--peer", place / "layer.npy"])
            seconds, score, error, medians = json.loads(theirs[-1])
            off = np.abs(np.array(ours) - medians).max()
            print("nrp", one, np.mean(ours), "Brain-Score", seconds, theirs[:3], score, error, "off", off, flush=True)
            if off > 1e-5:
                sys.exit("nrp and Brain-Score differ")
            compared.append((one, seconds, theirs[2]))
            if table is None:
                all_layers, rows, commitment = nrp(given.nrp, given.data, LAYERS, place / "all")
                table = layers(all_layers, commitment)
    text = comparison(compared, score, error)
    print(table, text, sep="\n")
    if not given.dry:
        whole = REPORT.read_text()
        for name, made in [("layers", table), ("package", text)]:
            marks = MARKS.replace("NAME", name)
            whole = re.sub(marks, lambda found: found[1] + made + "\n" + found[2], whole, flags=re.S)
        REPORT.write_text(whole)


def layers(used, commitment):
    (ann,) = commitment["anns"]
    (region,) = ann["regions"]
    lines = ["| layer | r | standard error |", "| --- | --- | --- |"]
    for of in region["layer_sets"]:
        score, chosen = of["brain_score"], " (chosen)" if of["chosen"] else ""
        lines.append(f"| `{of['layers'][0]}`{chosen} | {score['center']:.4f} | {score['center_error']:.4f} |")
    return "\n".join(lines) + f"\n\nAll {len(lines) - 2} layers: {used[0]:.0f} s, {used[2]:.2f} GB at the peak."


def comparison(compared, score, error):
    pairs = [(np.array(ours), np.array([*seconds, memory])) for ours, seconds, memory in compared]
    ratios = np.median([theirs / ours for ours, theirs in pairs], axis=0)
    ours, theirs = (np.median(of, axis=0) for of in zip(*pairs))
    return "\n".join(
        [
            f"r {score:.6f}, standard error {error:.6f}, by both.\n",
            "| | seconds | processor seconds | peak memory |",
            "| --- | --- | --- | --- |",
            f"| nrp, from images to scores | {ours[0]:.0f} | {ours[1]:.0f} | {ours[2]:.2f} GB |",
            f"| Brain-Score, from activations in memory | {theirs[0]:.0f} | {theirs[1]:.0f} | {theirs[2]:.2f} GB |",
            f"| Brain-Score ÷ nrp | {ratios[0]:.1f} | {ratios[1]:.1f} | {ratios[2]:.1f} |",
        ]
    )


if __name__ == "__main__":
    main()
