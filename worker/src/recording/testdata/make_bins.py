"""Makes assemblies with time bins, with one coordinate a dimension and with several subjects, and in `bins.json` what
xarray reads of them.

Needs xarray 2026.9, netCDF4 1.7.5 and h5netcdf 1.8.2; run from this folder: `python make_bins.py`. The numbers are
random and of no animal.
"""

import json

import numpy as np
import xarray as xr
from make_assemblies import STIMULI

SITES, BINS, REPETITIONS = 5, 4, 3
SHOWN = [stimulus for _ in range(REPETITIONS) for stimulus in STIMULI]
REGIONS = ["V4", "IT", "V4", "IT", "V4"]


def coordinates(starts, ends, unit=None, stop="time_bin_end", shown="stimulus_id"):
    attributes = {} if unit is None else {"units": unit}
    return {
        shown: ("presentation", np.array(SHOWN, object)),
        "repetition": ("presentation", np.repeat(np.arange(REPETITIONS), len(STIMULI))),
        "neuroid_id": ("neuroid", np.arange(SITES)),
        "region": ("neuroid", np.array(REGIONS, object)),
        "time_bin_start": ("time_bin", starts, attributes),
        stop: ("time_bin", ends, attributes),
    }


def assembly(seed, order, dtype, bins=BINS, **given):
    rng = np.random.default_rng(seed)
    shape = {"presentation": len(SHOWN), "neuroid": SITES, "time_bin": bins}
    values = rng.normal(10, 3, list(shape.values()))
    values[rng.random(values.shape) < 0.1] = np.nan
    coords = coordinates(**given)
    array = xr.DataArray(values.astype(dtype), dims=list(shape), coords=coords, name="data")
    return array.transpose(*order)


def mean(path, first, last):
    """The mean over bins, presentation by presentation, with null for NaN."""
    array = xr.open_dataset(path, decode_timedelta=False)["data"]
    array = array.isel(time_bin=slice(first, last)).astype("f8").mean("time_bin")
    rows = array.transpose("presentation", "neuroid").values.tolist()
    return [[None if np.isnan(value) else value for value in row] for row in rows]


def bins():
    steps = np.arange(BINS) * 50
    ms = {"starts": steps, "ends": steps + 50}
    of_ms = assembly(1, ("presentation", "neuroid", "time_bin"), "f8", **ms)
    of_ms.to_netcdf("bins-ms.nc", engine="h5netcdf")
    # Seconds as steps add up, in single precision, in chunks that fit nowhere.
    seconds = np.cumsum(np.full(BINS, 0.01))
    seconds = {"starts": (seconds - 0.01).astype("f4"), "ends": seconds.astype("f4")}
    of_seconds = assembly(
        2, ("time_bin", "neuroid", "presentation"), "f4", unit="s", stop="time_bin_stop", **seconds
    )
    encoding = {"data": {"zlib": True, "shuffle": True, "chunksizes": (3, 2, 5)}}
    of_seconds.to_netcdf("bins-seconds.nc", engine="netcdf4", encoding=encoding)
    of_classic = assembly(3, ("neuroid", "time_bin", "presentation"), "f4", shown="image_id", **ms)
    of_classic.to_netcdf("bins-classic.nc", engine="netcdf4", format="NETCDF3_64BIT")
    # Out of order in time, with ids of their own.
    at = [2, 0, 3, 1]
    shuffled = of_ms.isel(time_bin=at).assign_coords(time_bin_id=("time_bin", np.array(at) + 10))
    shuffled.to_netcdf("bins-shuffled.nc", engine="netcdf4")
    paths = ["bins-ms.nc", "bins-seconds.nc", "bins-classic.nc"]
    return {path: {"middle": mean(path, 1, 3), "last": mean(path, 3, 4)} for path in paths}


def only(path):
    """One coordinate a dimension, as xarray 2022 wrote it, without a region."""
    array = assembly(4, ("neuroid", "presentation", "time_bin"), "f4", 1, starts=[70], ends=[170])
    array = array.rename(neuroid_id="neuroid_", stimulus_id="presentation_")
    array.drop_vars(["region", "repetition"]).to_netcdf(path, engine="netcdf4")


def subjects(path, name):
    array = assembly(5, ("presentation", "neuroid", "time_bin"), "f8", 1, starts=[70], ends=[170])
    reliability = ("neuroid", np.array([0.5, np.nan, 0.25, 0.75, 1.0]))
    whose = ("neuroid", np.array(["F", "F", "N", "N", "N"], object))
    array = array.assign_coords(
        {"neuroid_id": ("neuroid", [0, 1, 0, 1, 2]), name: whose, "reliability": reliability}
    )
    array.isel(time_bin=0, drop=True).to_netcdf(path, engine="h5netcdf")


if __name__ == "__main__":
    expected = bins()
    only("bins-only.nc")
    subjects("subjects.nc", "subject")
    subjects("animals.nc", "animal")
    with open("bins.json", "w") as file:
        json.dump(expected, file, separators=(",", ":"))
        file.write("\n")
