"""What early stopping and random search spare, and what they miss; writes docs/results/early-stopping.md.

    just bench-search

runs the grid of sweeps/search.toml four times for each seed of training and drawing: all of it, a random
half, and either of them with early stopping; first on its simulated recordings, then on the real ones and
weights of sweeps/v4-mobilenet.toml, whose files lie in the directory named. Each run has a state of its
own; activations are extracted before.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEEDS = 5
ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/results/early-stopping.md"
MARKS = r"(<!-- search -->\n).*?(<!-- /search -->)"

RANDOM = r"strategy = .*\ntrials = .*\nseed = .*\n"
HALVING = r"early_stopping = .*\nmin_epochs = .*\n"
KINDS = {
    "whole grid": (RANDOM, HALVING),
    "whole grid, `asha`": (RANDOM,),
    "random half": (HALVING,),
    "random half, `asha`": (),
}


def recordings():
    """The sweep as it is, and with the real recordings and weights."""
    simulated = (ROOT / "sweeps/search.toml").read_text()
    real = (ROOT / "sweeps/v4-mobilenet.toml").read_text()
    files = re.search(r"\[recordings\]\n(.*?)\n\n", real, re.S)[1]
    weights = re.search(r"weights = .*", real)[0]
    v4 = simulated.replace('assembly = "simulated"', files).replace('weights = "random:1"', weights)
    # One region, so half as many cells.
    v4 = v4.replace("trials = 48", "trials = 24")
    return {"simulated": simulated, "V4": v4}


def written(text, kind, seed):
    for table in KINDS[kind]:
        text = re.sub(table, "", text)
    text = re.sub(r"(?m)^seed = .*", f"seed = {seed}", text)
    return text.replace("[grid]\n", f"[grid]\nseed = [{seed}]\n")


class Place:
    def __init__(self, nrp, data, directory):
        self.nrp, self.data, self.directory, self.runs = nrp, data, Path(directory), 0

    def run(self, text):
        """Runs a sweep on a fresh state: its best trial per region, its trials, and seconds."""
        self.runs += 1
        file = self.directory / f"{self.runs}.toml"
        file.write_text(text)
        state = ["--state", str(self.directory / f"state-{self.runs}"), "--output", "json"]
        cache = ["--cache", str(self.directory / "cache"), "--data-dir", self.data]
        started = time.monotonic()
        best = self.ask("run", str(file), *cache, *state)
        seconds = time.monotonic() - started
        best = {row["region"]: row for row in best if row["region"] != "mean"}
        return best, self.ask("trials", *state), seconds

    def ask(self, *arguments):
        answer = subprocess.run([self.nrp, *arguments], check=True, capture_output=True)
        return json.loads(answer.stdout)


class Sum:
    """Of one kind of search, over seeds."""

    def __init__(self):
        self.trials = self.stopped = self.epochs = self.seconds = self.found = 0
        self.above, self.error = [], []

    def add(self, best, trials, seconds, grid):
        self.trials += len(trials)
        self.stopped += sum(trial["state"] == "stopped" for trial in trials)
        self.epochs += sum(trial["epochs"] or 0 for trial in trials)
        self.seconds += seconds
        for region, row in best.items():
            true = grid[region]
            self.found += row["trial"] == true["trial"]
            self.above.append(row["validation_mse"] / true["validation_mse"] - 1)
            self.error.append(row["nrp_error"] - true["nrp_error"])

    def row(self, recordings, kind, grid):
        share = lambda mine, its: f"{mine:,.0f} ({mine / its:.0%})"
        cells = [
            recordings,
            kind,
            self.trials,
            self.stopped,
            share(self.epochs, grid.epochs),
            share(self.seconds, grid.seconds),
            f"{self.found} of {len(self.above)}",
            f"{sum(self.above) / len(self.above):.2%} ({max(self.above):.2%})",
            f"{sum(self.error) / len(self.error):+.4f}",
        ]
        return "| " + " | ".join(map(str, cells)) + " |"


def main(nrp, data):
    heads = [
        "recordings",
        "search",
        "trials",
        "stopped",
        "epochs",
        "seconds",
        "found the grid's best",
        "validation MSE above it, mean (worst)",
        "NRP-error above it",
    ]
    sums = {name: {kind: Sum() for kind in KINDS} for name in recordings()}
    with tempfile.TemporaryDirectory() as directory:
        place = Place(str(Path(nrp).resolve()), data, directory)
        for text in recordings().values():
            place.run(re.sub(r"trials = .*", "trials = 1", written(text, "random half", 0)))
        for seed in range(1, SEEDS + 1):
            for name, text in recordings().items():
                grid = None
                for kind, total in sums[name].items():
                    ran = place.run(written(text, kind, seed))
                    grid = grid or ran[0]
                    total.add(*ran, grid)
                    print(name, seed, kind, f"{ran[2]:.0f} s", file=sys.stderr, flush=True)
            report(heads, sums)


def report(heads, sums):
    """Writes the table of what was measured so far."""
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for name, kinds in sums.items():
        lines += [total.row(name, kind, kinds["whole grid"]) for kind, total in kinds.items()]
    table = "\n".join(lines) + "\n"
    REPORT.write_text(re.sub(MARKS, rf"\1{table}\2", REPORT.read_text(), flags=re.S))


if __name__ == "__main__":
    main(*sys.argv[1:])
