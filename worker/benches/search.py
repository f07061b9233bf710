"""Epochs trained, and the best found, by each kind of search, on simulated recordings.

    cargo build && python3 worker/benches/search.py target/debug/nrp sweeps/search.toml

runs the sweep as it is written, without its early stopping, without its random search, and without
either, each on a state of its own, and prints a table.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HALVING = r"early_stopping = .*\nmin_epochs = .*\n"
RANDOM = r"strategy = .*\ntrials = .*\nseed = .*\n"


def main(nrp, sweep):
    text = Path(sweep).read_text()
    # Behind `[search]`, so that the grid's own keys stay.
    head, tail = text.split("[search]\n")
    kinds = {
        "whole grid": f"{RANDOM}|{HALVING}",
        "random": HALVING,
        "whole grid, halved": RANDOM,
        "random, halved": r"\b\B",
    }
    print("| search | trials | finished | stopped | epochs | region | best validation MSE | NRP-error |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        for number, (kind, without) in enumerate(kinds.items()):
            file = place / f"{number}.toml"
            file.write_text(f"{head}[search]\n{re.sub(without, '', tail)}")
            state = ["--state", str(place / f"state-{number}"), "--output", "json"]
            run = [nrp, "run", str(file), "--cache", str(place / "cache"), *state]
            best = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
            listed = subprocess.run([nrp, "trials", *state], check=True, capture_output=True)
            trials = json.loads(listed.stdout)
            count = lambda wanted: sum(trial["state"] == wanted for trial in trials)
            epochs = sum(trial["epochs"] for trial in trials)
            for row in best:
                if row["region"] != "mean":
                    print(
                        f"| {kind} | {len(trials)} | {count('finished')} | {count('stopped')} | {epochs} "
                        f"| {row['region']} | {row['validation_mse']:.4f} | {row['nrp_error']:.4f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main(*sys.argv[1:])
