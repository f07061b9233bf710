#!/usr/bin/env python3
"""The coordinator's figures, beside Optuna's and HyperQueue's, in one run on one machine and disk.

Usage: coordinator.py [--rounds N] [--sizes 10000,100000,1000000] [--dir DIR] [--log FILE]
                                                                  (`just bench-coordinator`)

Needs `pip install optuna hyperqueue`. Rounds of all are interleaved, so that a machine whose speed
drifts slows all alike; the largest size runs once, first, with eight outcomes a call alone. What is measured is appended to FILE, a
line each; the tables in docs/performance.md are made of all that is in it.
"""
import argparse, json, os, re, shutil, statistics, subprocess, sys, tempfile, time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
# Trials of a job, by default, and so outcomes that may be reported in one call.
LANES = 8
PEER_SECONDS = 3
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


def whole(program, size, together, parent):
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        return bench(program, "whole", size, size, together, directory)


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


def table(lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


FIGURES = [
    ("core", "scheduler, lease and report, µs per trial", "lease_and_report_us", 2, "100"),
    ("core", "scheduler, submission, µs per trial", "submit_us", 2, ""),
    ("whole", "durable outcomes per second, eight a call", "outcomes_per_s", 0, "20,000"),
    ("single", "durable outcomes per second, one a call", "outcomes_per_s", 0, ""),
    ("whole", "lease latency p50, ms", "lease_p50_ms", 1, ""),
    ("whole", "lease latency p99, ms", "lease_p99_ms", 1, ""),
    ("whole", "`best` p50, ms", "best_p50_ms", 2, ""),
    ("whole", "`best` p99, ms", "best_p99_ms", 2, "5"),
    ("whole", "submission, s", "submit_s", 2, ""),
    ("whole", "memory per trial, bytes", "bytes_per_trial", 0, ""),
    ("whole", "restart until `best` is answered, s", "restart_s", 2, "5"),
]

DURABLE = {
    "Optuna JournalStorage": "every step: flush and fsync of its file",
    "Optuna RDB": "every step: a transaction with fsync (SQLite's default)",
    "HyperQueue": "nothing: its wheel's server keeps no journal; each task starts a process",
}


def tables(log, disk):
    import optuna
    sizes = sorted({entry["size"] for entry in log if "size" in entry})
    results = lambda what, size: [e["result"] for e in log if e["what"] == what and e.get("size") == size]
    cell = lambda what, size, key, digits: middle([r[key] for r in results(what, size)], digits) \
        if results(what, size) else "–"
    ours = [["", *(f"{size:,} trials" for size in sizes), "aim"]]
    for what, label, key, digits, aim in FIGURES:
        ours.append([label, *(cell(what, size, key, digits) for size in sizes), aim])
    rate = statistics.median(r["outcomes_per_s"] for size in sizes[:1] for r in results("single", size))
    peers = [["", "trials per second", f"nrp at {sizes[0]:,} trials, one a call ÷ it", "what is durable, and when"]]
    for name in dict.fromkeys(entry["what"] for entry in log if "size" not in entry):
        rates = [entry["result"] for entry in log if entry["what"] == name]
        durable = next(note for start, note in DURABLE.items() if name.startswith(start))
        peers.append([name, middle(rates), f"{rate / statistics.median(rates):,.0f}", durable])
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "")
    run = next(entry["result"] for entry in log if entry["what"] == "whole")
    rounds = len(results("whole", sizes[0]))
    foot = (f"{os.cpu_count()} cores of {cpu}, {disk}; medians of {rounds} rounds with their range, the largest size "
            f"once. {run['workers']:,} simulated workers on {run['connections']} connections, in a process of their own "
            f"beside the coordinator's, each with one report under way. Optuna {optuna.__version__}.")
    return f"{table(ours)}\n\n{table(peers)}\n\n{foot}\n"


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
    arguments.add_argument("--log", default=os.path.join(tempfile.gettempdir(), f"bench-coordinator-{os.getpid()}.jsonl"))
    arguments.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = arguments.parse_args()
    if arguments.peer == "HyperQueue":
        return print(json.dumps({"told": hq_rate(arguments.dir), "seconds": 1}))
    if arguments.peer:
        begun = time.perf_counter()
        told = optuna_worker(arguments.peer, arguments.dir, PEER_SECONDS)
        return print(json.dumps({"told": told, "seconds": time.perf_counter() - begun}))
    disk = disk_of(arguments.dir)
    sizes = [int(size) for size in arguments.sizes.split(",") if size]
    program = build() if sizes else None

    def note(what, result, **more):
        with open(arguments.log, "a") as log:
            print(json.dumps({"what": what, **more, "result": result}), file=log)
        print(what, *more.values(), result, flush=True)

    for number in range(arguments.rounds):
        for size in sorted(sizes, reverse=True):
            note("core", bench(program, "scheduler", size), size=size)
            if size != max(sizes) or number == 0:
                note("whole", whole(program, size, LANES, arguments.dir), size=size)
            if size != max(sizes):
                note("single", whole(program, size, 1, arguments.dir), size=size)
        for kind, name in [("JournalStorage", "Optuna JournalStorage"), ("RDB", "Optuna RDB (SQLite)")]:
            for workers in (1, 4):
                rate = optuna_rate(kind, workers, arguments.dir)
                note(f"{name}, {workers} process{'es' if workers > 1 else ''}", rate)
        command = [sys.executable, os.path.abspath(__file__), "--peer", "HyperQueue", "--dir", arguments.dir]
        run = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        rate = json.loads(run.stdout.splitlines()[-1])
        note("HyperQueue, empty tasks", rate["told"] / rate["seconds"])
    path = os.path.join(ROOT, "docs", "performance.md")
    text = open(path).read()
    marks = r"(<!-- coordinator -->\n).*?(<!-- /coordinator -->)"
    made = tables([json.loads(line) for line in open(arguments.log)], disk)
    open(path, "w").write(re.sub(marks, lambda m: m[1] + made + m[2], text, flags=re.S))


main()
