#!/usr/bin/env python3
"""The coordinator's figures, beside Optuna's and HyperQueue's, in one run on one machine and disk.

Usage: coordinator.py [--rounds N] [--sizes 10000,100000,1000000] [--dir DIR]
                                                                  (`just bench-coordinator`)

Needs `pip install optuna hyperqueue`. Rounds of all are interleaved, so that a machine whose speed
drifts slows all alike; the largest size runs once. Replaces the tables in docs/performance.md.
"""
import argparse, json, os, re, shutil, statistics, subprocess, sys, tempfile, time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
PEER_SECONDS = 5
HQ_TASKS = 1000


def build():
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "nrp-coordinator", "--bench", "coordinator", "--no-run",
               "--message-format", "json"]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True)
    found = [json.loads(line).get("executable") for line in done.stdout.splitlines()]
    return next(path for path in found if path)


def bench(program, *words):
    done = subprocess.run([program, *map(str, words)], text=True, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"`{program} {' '.join(map(str, words))}` failed")
    return json.loads(done.stdout)


def whole(program, size, parent):
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        return bench(program, "whole", size, size, directory)


# Peers.

def optuna_storage(kind, directory):
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if kind == "JournalStorage":
        return JournalStorage(JournalFileBackend(os.path.join(directory, "journal.log")))
    return RDBStorage(f"sqlite:///{directory}/optuna.db")


def optuna_worker(kind, directory, seconds):
    """Asks, draws and tells for a while; how many trials were told."""
    import optuna
    from optuna.distributions import CategoricalDistribution
    storage = optuna_storage(kind, directory)
    sampler = optuna.samplers.RandomSampler(seed=os.getpid())
    study = optuna.create_study(storage=storage, study_name="load", sampler=sampler, load_if_exists=True)
    space = {"l1": CategoricalDistribution([16, 32]), "lr": CategoricalDistribution([1e-3, 1e-4])}
    told, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        trial = study.ask(space)
        study.tell(trial, 0.5)
        told += 1
    return told


def optuna_rate(kind, workers, parent):
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        optuna_worker(kind, directory, 0)
        command = [sys.executable, os.path.abspath(__file__), "--peer", kind, "--dir", directory]
        running = [subprocess.Popen(command, text=True, stdout=subprocess.PIPE) for _ in range(workers)]
        rates = [json.loads(process.communicate()[0]) for process in running]
        return sum(rate["told"] / rate["seconds"] for rate in rates)


def hq_rate(parent):
    """Tasks per second of one job of empty processes, on a server and a worker of its own."""
    from hyperqueue import Job
    from hyperqueue.cluster import LocalCluster, WorkerConfig
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        job = Job(default_workdir=directory)
        for _ in range(HQ_TASKS):
            job.program(["/bin/true"], stdout=None, stderr=None)
        with LocalCluster(worker_config=WorkerConfig(cores=os.cpu_count())) as cluster:
            client = cluster.client()
            begun = time.perf_counter()
            client.wait_for_jobs([client.submit(job)])
            return HQ_TASKS / (time.perf_counter() - begun)


# The tables.

def middle(values, digits=0):
    values = sorted(values)
    spread = f" ({values[0]:,.{digits}f}–{values[-1]:,.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.median(values):,.{digits}f}{spread}"


def tables(sizes, core, whole_runs, peers, rounds, disk):
    import optuna
    header = ["", *(f"{size:,} trials" for size in sizes), "aim"]
    rows = [["scheduler: lease and report, µs per trial"] + [
            middle([r["lease_and_report_us"] for r in core[s]], 2) for s in sizes] + ["100"],
            ["scheduler: submit, µs per trial"] + [middle([r["submit_us"] for r in core[s]], 2) for s in sizes] + [""]]
    for label, key, digits, aim in [
            ("durable outcomes per second", "outcomes_per_s", 0, "20,000"),
            ("lease latency p50, ms", "lease_p50_ms", 1, ""), ("lease latency p99, ms", "lease_p99_ms", 1, ""),
            ("`best` p50, ms", "best_p50_ms", 2, ""), ("`best` p99, ms", "best_p99_ms", 2, "5"),
            ("submission, s", "submit_s", 2, ""), ("memory per trial, bytes", "bytes_per_trial", 0, ""),
            ("restart until `best` is answered, s", "restart_s", 2, "5")]:
        rows.append([label] + [middle([r[key] for r in whole_runs[s]], digits) for s in sizes] + [aim])
    lines = [header, ["---"] * len(header), *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    ours = statistics.median(r["outcomes_per_s"] for r in whole_runs[sizes[0]])
    lines = [["", "trials per second", f"nrp at {sizes[0]:,} trials ÷ it", "what is durable when"], ["---"] * 4]
    notes = {
        "JournalStorage": "every step: flush and fsync of its file",
        "RDB (SQLite)": "every step: a transaction, fsync (SQLite's default, `synchronous=FULL`)",
        "HyperQueue": "nothing: its wheel starts a server without a journal; each task starts a process",
    }
    for name, rates in peers.items():
        note = next(note for key, note in notes.items() if key in name)
        lines.append([name, middle(rates), f"{ours / statistics.median(rates):,.0f}", note])
    peer_text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "")
    run = next(iter(whole_runs.values()))[0]
    foot = (f"{os.cpu_count()} cores of {cpu}, {disk}; medians of {rounds} rounds with their range, the largest size "
            f"once. {run['workers']:,} simulated workers on {run['connections']} connections, in a process of their own "
            f"beside the coordinator's, each with one report under way. Optuna {optuna.__version__}.")
    return f"{text}\n\n{peer_text}\n\n{foot}\n"


def disk_of(directory):
    found = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", directory], text=True, stdout=subprocess.PIPE)
    kind = found.stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        sys.exit(f"{directory} is in memory ({kind}); --dir takes a directory on a disk")
    return kind


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--sizes", default="10000,100000,1000000")
    arguments.add_argument("--dir", default=tempfile.gettempdir())
    arguments.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = arguments.parse_args()
    if arguments.peer == "HyperQueue":
        return print(json.dumps({"told": hq_rate(arguments.dir), "seconds": 1}))
    if arguments.peer:
        begun = time.perf_counter()
        told = optuna_worker(arguments.peer, arguments.dir, PEER_SECONDS)
        return print(json.dumps({"told": told, "seconds": time.perf_counter() - begun}))
    disk = disk_of(arguments.dir)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    program = build()
    core, runs, peers = {size: [] for size in sizes}, {size: [] for size in sizes}, {}
    for number in range(arguments.rounds):
        for size in sizes:
            core[size].append(bench(program, "scheduler", size))
            if size != max(sizes) or number == 0:
                runs[size].append(whole(program, size, arguments.dir))
                print(json.dumps(core[size][-1]), json.dumps(runs[size][-1]), flush=True)
        for kind, name in [("JournalStorage", "Optuna JournalStorage"), ("RDB", "Optuna RDB (SQLite)")]:
            for workers in (1, 4):
                label = f"{name}, {workers} process{'es' if workers > 1 else ''}"
                peers.setdefault(label, []).append(optuna_rate(kind, workers, arguments.dir))
                print(label, peers[label][-1], flush=True)
        run = subprocess.run([sys.executable, os.path.abspath(__file__), "--peer", "HyperQueue", "--dir", arguments.dir],
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        rate = json.loads(run.stdout.splitlines()[-1])
        peers.setdefault("HyperQueue, empty tasks", []).append(rate["told"] / rate["seconds"])
        print("HyperQueue", peers["HyperQueue, empty tasks"][-1], flush=True)
    path = os.path.join(ROOT, "docs", "performance.md")
    text = open(path).read()
    marks = r"(<!-- coordinator -->\n).*?(<!-- /coordinator -->)"
    table = tables(sizes, core, runs, peers, arguments.rounds, disk)
    open(path, "w").write(re.sub(marks, lambda m: m[1] + table + m[2], text, flags=re.S))


main()
