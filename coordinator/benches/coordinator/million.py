#!/usr/bin/env python3
"""Memory and time of a sweep of a million cells, in every process that meets it (Linux).

Usage: million.py NRP [--dir DIR]                                  (`just bench-million`)

NRP is the binary. A coordinator is started on an empty state directory, the sweep is submitted, the
coordinator is killed, started again and asked; then its state is verified and its index rebuilt. What
is measured replaces the table in docs/performance.md.
"""
import argparse, json, os, re, statistics, subprocess, tempfile, time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
QUESTIONS = 20


def sweep(path):
    """99 x 50 x 49 x 2 cells in each of two regions."""
    numbers = lambda n: ", ".join(map(str, range(1, n + 1)))
    text = f"""
        name = "million"
        recordings = {{ assembly = "simulated" }}
        [[ann]]
        name = "mobilenet"
        weights = "random:1"
        layer_sets = [["global_average_pooling2d"]]
        [grid]
        l1 = [{numbers(99)}]
        l2 = [{numbers(50)}]
        seed = [{numbers(49)}]
        learning_rate = [1e-3, 3e-3]
        """
    with open(path, "w") as file:
        file.write(text)
    return 99 * 50 * 49 * 2 * 2


def memory(pid, what):
    """VmRSS or VmHWM of a process, in MB; none once it has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            found = re.search(rf"{what}:\s+(\d+) kB", file.read())
    except OSError:
        return None
    return int(found[1]) * 1024 / 1e6 if found else None


def run(*command):
    """Runs a command to its end: seconds, and the most memory that it had."""
    begun = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while running.poll() is None:
        peak = max(peak, memory(running.pid, "VmHWM") or 0)
        time.sleep(0.002)
    if running.returncode:
        raise SystemExit(f"`{' '.join(command)}` failed")
    return time.perf_counter() - begun, peak


def coordinator(nrp, state):
    """A coordinator once it serves, its address and how long that took."""
    begun = time.perf_counter()
    command = [nrp, "coordinator", "--listen", "127.0.0.1:0", "--state", state, "--output", "json"]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    said = ""
    while not said.rstrip().endswith("}"):
        said += serving.stdout.readline()
    return serving, json.loads(said)["address"], time.perf_counter() - begun


def measure(nrp, directory):
    file, state = os.path.join(directory, "million.toml"), os.path.join(directory, "state")
    trials = sweep(file)
    rows = []
    serving, address, _ = coordinator(nrp, state)
    seconds, peak = run(nrp, "sweep", "submit", file, "--coordinator", address)
    rows.append(("submission, the client", seconds, peak, None))
    rows.append(("submission, the coordinator", seconds, memory(serving.pid, "VmHWM"), memory(serving.pid, "VmRSS")))
    serving.kill()
    serving.wait()
    serving, address, seconds = coordinator(nrp, state)
    rows.append(("a start after a kill", seconds, memory(serving.pid, "VmHWM"), memory(serving.pid, "VmRSS")))
    asked = [run(nrp, "best", "--coordinator", address) for _ in range(QUESTIONS)]
    rows.append(("`nrp best`", statistics.median(seconds for seconds, _ in asked), max(peak for _, peak in asked), None))
    serving.kill()
    serving.wait()
    for word in ("verify", "rebuild"):
        rows.append((f"`nrp store {word}`", *run(nrp, "store", word, "--state", state), None))
    return trials, rows


def table(trials, rows):
    lines = [f"| {trials:,} trials | seconds | most memory, MB | memory at its end, MB |", "| --- | --- | --- | --- |"]
    for what, seconds, peak, last in rows:
        lines.append(f"| {what} | {seconds:.2f} | {peak:.0f} | {f'{last:.0f}' if last else '–'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("nrp")
    parser.add_argument("--dir")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
        text = table(*measure(os.path.abspath(arguments.nrp), directory))
    print(text)
    path = os.path.join(ROOT, "docs", "performance.md")
    with open(path) as file:
        page = file.read()
    mark = re.compile(r"(<!-- million -->\n).*(<!-- /million -->)", re.S)
    with open(path, "w") as file:
        file.write(mark.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page))


main()
