"""Writes small assemblies that were misread: `odd-durations.nc`, by xarray, whose starts and ends of time bins have
units of their own, and `odd-*.nc`, by netCDF4, with a table of more presentations than can be read, bins that end
before they start, ids between blanks, and ids that are numbers.

Needs netCDF4 (1.7.5 made these), xarray (2026.9.0) and numpy. Run from this folder: `python make_odd_assemblies.py`.
"""

import netCDF4
import numpy as np
import xarray as xr

BINS = [[0, 1000], [500, 1500]]


def assembly(name, ids, reps=None, bins=None, units=(None, None), presentations=None):
    file = netCDF4.Dataset(f"odd-{name}.nc", "w")
    file.createDimension("presentation", presentations or len(ids))
    file.createDimension("neuroid", 2)
    if isinstance(ids[0], str):
        file.createVariable("stimulus_id", str, ("presentation",))[:] = np.array(ids, object)
    else:
        values = np.resize(ids, presentations or len(ids))
        file.createVariable("stimulus_id", "i4", ("presentation",), zlib=True)[:] = values
    file.createVariable("neuroid_id", "i4", ("neuroid",))[:] = [0, 1]
    file.createVariable("region", str, ("neuroid",))[:] = np.array(["V4", "V4"], object)
    axes = ("presentation", "neuroid")
    if reps:
        file.createDimension("repetition", reps)
        axes = ("repetition", *axes)
    if bins:
        file.createDimension("time_bin", len(bins[0]))
        axes = (*axes, "time_bin")
        for name, times, unit in zip(["time_bin_start", "time_bin_end"], bins, units):
            variable = file.createVariable(name, "f8", ("time_bin",))
            variable[:] = times
            if unit:
                variable.units = unit
    data = file.createVariable("data", "f4", axes)
    if not presentations:
        shape = [len(file.dimensions[axis]) for axis in axes]
        data[:] = np.arange(np.prod(shape)).reshape(shape)
    file.close()


four = ["s0", "s1", "s2", "s3"]
# Never written, so that it takes no place on the disk.
assembly("many", [0, 1, 2, 3], reps=1 << 12, presentations=(1 << 12) + 1)
assembly("backwards", four, bins=[[100, 0], [50, 50]])
assembly("frames", four, bins=BINS, units=("frames", "ms"))
assembly("padded", ["  s0", "s1 ", " s2", "s3"])
assembly("numbers", [10, 9, 2, 1])
xr.Dataset(
    {
        "data": (("presentation", "neuroid", "time_bin"), np.arange(16.0).reshape(4, 2, 2)),
        "stimulus_id": ("presentation", np.array(four, object)),
        "neuroid_id": ("neuroid", [0, 1]),
        "region": ("neuroid", np.array(["V4", "V4"], object)),
        "time_bin_start": ("time_bin", np.array(BINS[0], "timedelta64[ms]")),
        "time_bin_end": ("time_bin", np.array(BINS[1], "timedelta64[ms]")),
    }
).to_netcdf("odd-durations.nc", engine="netcdf4")
