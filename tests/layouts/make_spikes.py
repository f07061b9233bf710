"""Writes `spikes.nwb`, spikes of three units in sixteen trials, with h5py 3.16: the parts of an NWB file that pynwb
writes and nrp reads. Run from this folder: `python make_spikes.py`.

In trial k, unit u has (k + u) % 3 + 1 spikes from 70 ms on, the first at 70 ms itself, one at 170 ms, and in every
other trial one at 30 ms. Trials show eight stimuli twice, in either order.
"""

import h5py
import numpy as np

TRIALS, UNITS = 16, 3
STARTS = np.arange(TRIALS) * 0.5 + 1


def spikes(unit):
    for trial, start in enumerate(STARTS):
        yield from [start + 0.03] * (trial % 2)
        yield from (start + 0.07 + 0.02 * spike for spike in range((trial + unit) % 3 + 1))
        yield start + 0.17


def main():
    with h5py.File("spikes.nwb", "w", libver="latest") as file:
        file.attrs["nwb_version"] = "2.8.0"
        trials = file.create_group("intervals/trials")
        trials["id"] = np.arange(TRIALS)
        trials["start_time"] = STARTS
        trials["stop_time"] = STARTS + 0.3
        shown = [trial if trial < 8 else 15 - trial for trial in range(TRIALS)]
        trials["stimulus_id"] = np.array([f"s{stimulus}" for stimulus in shown], h5py.string_dtype())
        trials["picture"] = trials["stimulus_id"][()]
        units = file.create_group("units")
        times = [list(spikes(unit)) for unit in range(UNITS)]
        units["id"] = np.arange(UNITS)
        units["region"] = np.array(["V4", "V4", "IT"], h5py.string_dtype())
        units["spike_times"] = np.concatenate(times)
        units["spike_times_index"] = np.cumsum([len(of) for of in times])


if __name__ == "__main__":
    main()
