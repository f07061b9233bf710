#!/usr/bin/env python3
"""Sweeps of NRP networks: nrp beside PyTorch one trial after another, Optuna and Ray Tune, in one run.

Usage: train.py [--rounds N] [--devices flex,tch:cpu] [--peer-device cpu] [--log FILE]   (`just bench-train`)

Activations are extracted before any clock starts; all see the same ones, and the same split. Writes the
tables of docs/performance.md from the log, in which each line is one measurement; fails where NRP-errors
differ from PyTorch's on the same inputs by more than 0.005, in the mean over the trials that both trained.
"""
import argparse, json, os, random, re, statistics, subprocess, sys, tempfile

sys.dont_write_bytecode = True
from train_peer import is_projection, read_header

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
LANES, BATCH, TOLERANCE = 8, 64, 0.005
# Freed memory is kept: else PyTorch, too, spends much of its time on clearing new pages.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_TOP_PAD_": str(1 << 28)}
SWEEP = """
name = "bench"
[recordings]
assembly = "simulated"
regions = ["V4"]
[[ann]]
name = "{ann}"
weights = "random:1"
layer_sets = {layer_sets}
[grid]
l1 = {l1}
l2 = {l2}
learning_rate = [1e-4, 3e-4, 1e-3, 3e-3]
[training]
max_epochs = {epochs}
patience = 0
projection = "{projection}"
"""
LARGE = dict(ann="mobilenet", l1=[16, 32, 64], l2=[32, 128], epochs=20,
             layer_sets=[["conv_pw_13_relu"], ["conv_dw_12_relu", "conv_pw_13_relu"]])
SMALL = dict(ann="alexnet", l1=[16, 32, 64, 128], l2=[32, 64, 128, 256], epochs=20,
             layer_sets=[["fc6"]])
# Sweep, what it is, and the part of it that the peers train where all of it would take too long: of
# every layer set and L1, whose trials cost the same, as many.
CASES = {"large": (LARGE, "48 trials, inputs of 50,176 and 75,264", 1 / 8),
         "small": (SMALL, "64 trials, inputs of 4,096", 1 / 4)}
# As it comes: with PyTorch's own choice of Adam, and an allocator that gives freed memory back.
PLAIN = "PyTorch as it comes"
# What rounding does to an NRP-error.
ROUNDED = "PyTorch on shuffled units"
PEERS = ["PyTorch", PLAIN, ROUNDED, "Optuna", "Ray Tune"]


def run(command, env=None):
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, env={**os.environ, **(env or {})})
    if done.returncode:
        sys.exit(f"`{' '.join(command)}` failed")
    return done.stdout


def bench(features, *words):
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "nrp-worker", "--bench", "train"]
    return run(command + (["--features", features] if features else []) + ["--", *words])


def key(trial):
    return json.dumps([trial["layers"], trial["l1"], trial["l2"], trial["learning_rate"], trial["seed"]])


def nrp(features, device, sweep, cache):
    lines = [json.loads(line) for line in bench(features, device, sweep, cache, str(LANES)).splitlines()]
    errors = {key(line["trial"]): line["nrp_error"] for line in lines[:-1]}
    return {"seconds": lines[-1]["seconds"], "errors": errors}


def peer(name, prepared, path, cache, projection, epochs, device, share, seed):
    """A peer's errors, and the seconds that the whole sweep takes it, on activations as they are or on
    what nrp has projected them to."""
    groups = {}
    for at, trial in enumerate(prepared["trials"]):
        groups.setdefault((*trial["layers"], trial["l1"]), []).append(at)
    draw = random.Random(seed)
    chosen = [at for group in groups.values() for at in draw.sample(group, round(share * len(group)))]
    draw.shuffle(chosen)
    command = [sys.executable, os.path.join(HERE, "train_peer.py"), name, path, cache, projection, str(epochs), device]
    found = json.loads(run(command + [json.dumps(chosen)], {} if name == PLAIN else KEPT).splitlines()[-1])
    errors = {key(prepared["trials"][at]): error for at, error in zip(chosen, found["errors"])}
    return {"seconds": found["seconds"] * len(prepared["trials"]) / len(chosen), "errors": errors}


def work(prepared, units, epochs):
    """Floating-point operations of the wide products, and bytes that Adam reads and writes."""
    operations = moved = 0
    train, held_out = len(prepared["train"]), len(prepared["validation"])
    for trial in prepared["trials"]:
        weights = sum(units[layer] for layer in trial["layers"]) * trial["l1"]
        # Forward and the weights' gradient in a step, forward alone on validation and, once, on test.
        operations += 2 * weights * (epochs * (2 * train + held_out) + len(prepared["test"]))
        # Weight and both moments, four bytes each, read and written once.
        moved += 24 * weights * epochs * -(-train // BATCH)
    return operations / 1e9, moved / 1e9


def headers(cache):
    for name in os.listdir(cache):
        if name.endswith(".act"):
            with open(os.path.join(cache, name), "rb") as file:
                yield file.name, read_header(file)


def units_of(cache):
    return {header["key"]["layer"]: header["units"] for _, header in headers(cache) if not is_projection(header)}


def forget_projections(cache):
    """Their one-time cost is part of every sweep that wants them."""
    for path, header in headers(cache):
        if is_projection(header):
            os.remove(path)


def measure(arguments, features, note):
    with tempfile.TemporaryDirectory() as place:
        cases = {}
        for case in arguments.cases.split(","):
            grid, _, share = CASES[case]
            cache, paths = os.path.join(place, case), {}
            for projection in arguments.projections.split(","):
                paths[projection] = os.path.join(place, f"{case}-{projection}.toml")
                with open(paths[projection], "w") as file:
                    file.write(SWEEP.format(projection=projection, **grid))
            text = bench(features, "prepare", paths["none"], cache)
            with open(os.path.join(place, f"{case}.json"), "w") as file:
                file.write(text)
            prepared = json.loads(text)
            cases[case] = grid, share, cache, paths, prepared, file.name
            gflop, gigabytes = work(prepared, units_of(cache), grid["epochs"])
            note("work", case=case, gflop=gflop, gigabytes=gigabytes, epochs=grid["epochs"])
        peers = PEERS + (["vmap"] if arguments.peer_device != "cpu" else [])
        for number in range(arguments.rounds):
            products, triad = json.loads(run([sys.executable, os.path.join(HERE, "train_peer.py"), "peak"]))
            note("peak", gflops=products, triad=triad)
            for case, (grid, share, cache, paths, prepared, path) in cases.items():
                others = grid["epochs"], arguments.peer_device, share, number
                for projection, sweep in paths.items():
                    on = "" if projection == "none" else f", {projection}"
                    for device in arguments.devices.split(","):
                        forget_projections(cache)
                        found = nrp(features, device, sweep, cache)
                        note("sweep", case=case, who=f"nrp {device}{on}", round=number, **found)
                    for name in peers if projection == "none" else peers[:1]:
                        found = peer(name, prepared, path, cache, projection, *others)
                        note("sweep", case=case, who=f"{name}{on}", round=number, **found)


def median(values, digits):
    return f"{statistics.median(values):.{digits}f}"


def ratios(theirs, ours):
    values = [a["seconds"] / b["seconds"] for a, b in zip(theirs, ours)]
    return f"{median(values, 1)} ({min(values):.1f}–{max(values):.1f})"


def of(values, whole):
    return [value / most for value, most in zip(values, whole)]


def share(parts):
    return f"{statistics.median(parts):.0%}"


def span(values, digits):
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def tables(lines, cases):
    peaks = [line for line in lines if line["what"] == "peak"]
    gflops, triad = ([peak[name] for peak in peaks] for name in ("gflops", "triad"))
    out = []
    for case in cases:
        found = {}
        for line in lines:
            if line["what"] == "sweep" and line["case"] == case:
                found.setdefault(line["who"], []).append(line)
        todo = next(line for line in lines if line["what"] == "work" and line["case"] == case)
        rounds = len(found["PyTorch"])
        out += [f"{CASES[case][1]}, {todo['epochs']} epochs; medians of {rounds} rounds, ratios with their range:", "",
                f"| | seconds for the sweep | PyTorch ÷ it | {PLAIN} ÷ it | NRP-error off PyTorch's: mean, most | products | optimiser | both |",
                "| --- | --- | --- | --- | --- | --- | --- | --- |"]
        for who in sorted(found, key=lambda who: ("," in who, who.startswith("nrp"))):
            runs, on = found[who], "".join(who.partition(",")[1:])
            seconds = [line["seconds"] for line in runs]
            apart = [differences(a["errors"], b["errors"]) for a, b in zip(found["PyTorch" + on], runs)]
            mean, most = statistics.mean(sum(apart, [])), max(sum(apart, []))
            if mean > TOLERANCE:
                sys.exit(f"{who}, {case}: its NRP-errors are {mean} from PyTorch's, {TOLERANCE} is the most")
            rates, moved = ([todo[name] / taken for taken in seconds] for name in ("gflop", "gigabytes"))
            # A round's rates are held to what the machine could do in that round.
            parts = [of(rates, gflops), of(moved, triad)]
            cells = [who, median(seconds, 1), ratios(found["PyTorch"], runs), ratios(found[PLAIN], runs),
                     f"{mean:.4f}, {most:.4f}"]
            cells += ["–"] * 3 if on else [f"{median(rates, 0)} GFLOP/s, {share(parts[0])}",
                                           f"{median(moved, 1)} GB/s, {share(parts[1])}",
                                           share([sum(both) for both in zip(*parts)])]
            out.append("| " + " | ".join(cells) + " |")
        out.append("")
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "")
    out += [f"{os.cpu_count()} cores of {cpu}; a product of two 2,048² matrices reaches {span(gflops, 0)} GFLOP/s there, "
            f"a = b + s·c {span(triad, 1)} GB/s. Percentages are of what was measured in the same round."]
    return "\n".join(out) + "\n"


def differences(theirs, ours):
    both = theirs.keys() & ours.keys()
    return [abs(ours[trial] - theirs[trial]) for trial in both]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--devices", default="flex", help="nrp's, as flex,tch:cpu")
    arguments.add_argument("--peer-device", default="cpu", help="PyTorch's, as cuda:0")
    arguments.add_argument("--cases", default=",".join(CASES))
    arguments.add_argument("--projections", default="none,row-space", help="without pca, which peers lack")
    arguments.add_argument("--log", default=os.path.join(tempfile.mkdtemp(), "train.jsonl"))
    arguments = arguments.parse_args()
    features = ",".join(sorted({device.split(":")[0] for device in arguments.devices.split(",")} - {"flex"}))

    def note(what, **more):
        with open(arguments.log, "a") as log:
            print(json.dumps({"what": what, **more}), file=log)
        shown = {name: value for name, value in more.items() if name != "errors"}
        print(what, *shown.values(), flush=True)

    measure(arguments, features, note)
    made = tables([json.loads(line) for line in open(arguments.log)], arguments.cases.split(","))
    path = os.path.join(ROOT, "docs", "performance.md")
    text = open(path).read()
    marks = r"(<!-- train -->\n).*?(<!-- /train -->)"
    open(path, "w").write(re.sub(marks, lambda m: m[1] + made + m[2], text, flags=re.S))
    print(made)


main()
