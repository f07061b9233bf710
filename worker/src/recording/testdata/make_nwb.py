"""Writes `nwb.zip`, the NWB files that the reader's tests open, and the counts that NumPy makes of them, with pynwb
4.2.

Run from this folder: `python make_nwb.py`. Three units with seeded spikes, eight trials of four stimuli; the window is
70 to 170 ms after each trial's start, up to but not including its end.
"""

import json
import os
import tempfile
import zipfile
from datetime import datetime, timezone

import numpy as np
from pynwb import NWBHDF5IO, NWBFile

WINDOW = (70, 170)
SHOWN = ["s0", "s1", "s2", "s3", "s2", "s0", "s3", "s1"]
STARTS = np.arange(len(SHOWN)) * 0.3 + 1.0


def spikes(seed):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0.9, 3.6, size=int(rng.integers(60, 90))))
    # On the window's edges, of which the first belongs to it.
    return np.sort(np.concatenate([times, STARTS[:2] + 0.07, STARTS[1:3] + 0.17]))


def counts(units, observed=None):
    table = []
    for start in STARTS:
        first, last = start + WINDOW[0] / 1000, start + WINDOW[1] / 1000
        row = [int(((unit >= first) & (unit < last)).sum()) for unit in units]
        if observed is not None:
            inside = [any(a <= first and last <= b for a, b in of) for of in observed]
            row = [count if seen else None for count, seen in zip(row, inside)]
        table.append(row)
    return table


def file(columns=()):
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    made = NWBFile(session_description="made up", identifier="made", session_start_time=start, file_create_date=start)
    device = made.create_device(name="probe")
    group = made.create_electrode_group(name="g", description="g", location="ventral stream", device=device)
    for location in ["V4", "V4", "IT", "IT"]:
        made.add_electrode(location=location, group=group)
    for column, data in columns:
        made.add_electrode_column(name=column, description=column, data=data)
    return made


def write(name, made, archive):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with NWBHDF5IO(path, "w") as io:
            io.write(made, cache_spec=False)
        info = zipfile.ZipInfo(name, (2023, 1, 1, 0, 0, 0))
        archive.writestr(info, open(path, "rb").read(), zipfile.ZIP_DEFLATED)


def trials(made, column, table=None):
    if table is None:
        made.add_trial_column(name=column, description="what was shown")
        for start, shown in zip(STARTS, SHOWN):
            made.add_trial(start_time=start, stop_time=start + 0.2, **{column: shown})
    else:
        intervals = made.create_time_intervals(name=table, description="presentations")
        for start in STARTS:
            intervals.add_row(start_time=start, stop_time=start + 0.2)
        elements = ["s3", "s1", "s0", "s2"]
        rows = [elements.index(shown) for shown in SHOWN]
        intervals.add_column(name=column, description="what was shown", data=rows, enum=elements)


def main(archive):
    units = [spikes(seed) for seed in range(3)]
    # Of the second unit's electrodes, the depths are equal and the gains differ.
    made = file([("depth", [1.5, 1.5, 3.25, 4.0]), ("gain", [0.5, 0.75, 0.5, 0.5])])
    trials(made, "stimulus_id")
    for unit, electrodes in zip(units, [[0], [0, 1], [2]]):
        made.add_unit(spike_times=unit, electrodes=electrodes)
    write("units.nwb", made, archive)

    # A column by another name, regions of the units themselves, times in which they were observed.
    made = file()
    trials(made, "picture")
    made.add_unit_column(name="region", description="region")
    observed = [[[0.0, 9.0]], [[1.0, 1.5], [1.8, 9.0]], [[0.0, 1.165], [1.2, 9.0]]]
    for unit, region, intervals in zip(units, ["V4", "V4", "IT"], observed):
        made.add_unit(spike_times=unit, region=region, obs_intervals=intervals)
    write("observed.nwb", made, archive)

    # Another table, whose column is enumerated.
    made = file()
    trials(made, "stimulus_id", "presentations")
    for unit in units:
        made.add_unit(spike_times=unit)
    write("presentations.nwb", made, archive)

    made = file()
    trials(made, "stimulus_id")
    rows = [row % 4 for row in range(len(SHOWN))]
    made.add_trial_column(name="where", description="rows", data=rows, table=made.electrodes)
    made.add_unit(spike_times=units[0], electrodes=[1, 2])
    write("two-regions.nwb", made, archive)

    expected = {"shown": SHOWN, "counts": counts(units), "observed": counts(units, observed)}
    archive.writestr(zipfile.ZipInfo("expected.json", (2023, 1, 1, 0, 0, 0)), json.dumps(expected))


if __name__ == "__main__":
    with zipfile.ZipFile("nwb.zip", "w") as archive:
        main(archive)
