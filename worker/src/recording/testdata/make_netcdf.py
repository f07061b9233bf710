"""Makes the netCDF files that the tests of `formats::netcdf` read, with what xarray reads of them.

Needs xarray 2026.9, netCDF4 1.7.5, h5netcdf 1.8.2 and h5py 3.16, and the plugins of hdf5plugin 7.1 in
`HDF5_PLUGIN_PATH`; run from this folder: `python make_netcdf.py`. The numbers are those of `make_assemblies.py`, unless a test says otherwise.
"""

import json

import h5py
import netCDF4
import numpy as np
import xarray as xr
from make_assemblies import REGIONS, REPETITIONS, SITES, STIMULI, assembly, rates

BOTH = ("neuroid", "presentation")


def usual(name="data", **kwargs):
    return assembly("stimulus_id", BOTH, name, **kwargs)


def without(array, *coordinates):
    return array.drop_vars(list(coordinates))


def shapes():
    usual().to_netcdf("group.nc", group="monkey/session1", engine="h5netcdf")
    both = usual().to_dataset()
    both.to_netcdf("root-and-group.nc", engine="h5netcdf")
    (both + 100).to_netcdf("root-and-group.nc", group="train", mode="a", engine="h5netcdf")

    one = without(usual(), "region").assign_coords(region="V4")
    one.to_netcdf("one-region.nc", engine="h5netcdf")
    one.to_netcdf("one-region-classic.nc", engine="netcdf4", format="NETCDF3_CLASSIC")

    # Repetitions as an axis, between the two others.
    _, table = rates()
    folded = table.reshape(len(SITES), REPETITIONS, len(STIMULI)).astype("float32")
    coordinates = {
        "neuroid_id": ("neuroid", SITES),
        "region": ("neuroid", REGIONS),
        "stimulus_id": ("presentation", STIMULI),
    }
    folded = xr.DataArray(
        folded, dims=["neuroid", "repetition", "presentation"], coords=coordinates, name="data"
    )
    folded.to_netcdf("repetition-axis.nc", engine="h5netcdf")

    named = [r if n != "a3" else "" for n, r in zip(SITES, REGIONS)]
    usual().assign_coords(region=("neuroid", named)).to_netcdf(
        "unnamed-region.nc", engine="h5netcdf"
    )

    # The only coordinate of a dimension: as xarray 2022 wrote it, and as an index.
    only = without(usual(), "neuroid_id", "stimulus_id", "repetition")
    shown = ("presentation", usual().stimulus_id.values)
    sites = ("neuroid", np.arange(len(SITES)) + 70)
    only.assign_coords(presentation_=shown, neuroid_=sites).to_netcdf(
        "only-2022.nc", engine="h5netcdf"
    )
    fixed = ("presentation", usual().stimulus_id.values.astype("S"))
    only.assign_coords(presentation=fixed, neuroid=sites).to_netcdf(
        "only-index.nc", engine="netcdf4"
    )


def beside():
    masked = usual().to_dataset()
    masked["mask"] = masked["data"].notnull().variable
    for engine in ("netcdf4", "h5netcdf"):
        masked.to_netcdf(f"mask-{engine}.nc", engine=engine)
    sem = usual("rates").to_dataset()
    sem["sem"] = (sem["rates"] / 10).variable
    sem["labels"] = (BOTH, np.full((5, 12), "x"))
    sem.to_netcdf("sem.nc", engine="h5netcdf")
    # Types that netCDF does not have, beside an assembly.
    usual().to_netcdf("odd-neighbours.nc", engine="h5netcdf")
    with h5py.File("odd-neighbours.nc", "a") as file:
        file["pairs"] = np.zeros(3, [("a", "i4"), ("b", "f8")])
        file["complex"] = np.zeros(3, "c8")
        file["reference"] = np.array([file["data"].ref], h5py.ref_dtype)
        file["lists"] = np.array([[1, 2]], "i4").astype(np.dtype(("i4", (2,))))
        file["long"] = np.zeros(3, np.longdouble)


def types():
    usual(dtype="float16").to_netcdf("float16.nc", engine="h5netcdf")
    swapped = usual(dtype="float64").astype(">f8")
    swapped.to_netcdf(
        "zstd-big-endian.nc",
        engine="netcdf4",
        encoding={"data": {"compression": "zstd", "shuffle": True, "endian": "big"}},
    )
    # An enumeration, whose default fill value is its first member. xarray reads that as missing.
    presentations, table = rates()
    with netCDF4.Dataset("enumeration.nc", "w") as file:
        file.createDimension("neuroid", len(SITES))
        file.createDimension("presentation", len(presentations))
        of = file.createEnumType("u1", "region_t", {"V4": 0, "IT": 1})
        file.createVariable("region", of, ("neuroid",))[:] = [
            0 if region == "V4" else 1 for region in REGIONS
        ]
        ids = file.createVariable("neuroid_id", str, ("neuroid",))
        ids[:] = np.array(SITES, object)
        ids = file.createVariable("stimulus_id", str, ("presentation",))
        ids[:] = np.array([STIMULI[s] for s, _ in presentations], object)
        file.createVariable("data", "f4", BOTH)[:] = table


PACKED = {
    "scaled": ("i2", {"scale_factor": 0.01, "add_offset": 20.0, "_FillValue": -999}),
    "factor": ("i4", {"scale_factor": np.float32(0.5)}),
    "offset": ("u2", {"add_offset": np.float32(-7.5), "missing_value": np.uint16(3)}),
    "unsigned": ("i1", {"_Unsigned": "true", "_FillValue": np.int8(-56)}),
    "signed": ("u1", {"_Unsigned": "false"}),
    "several": ("i2", {"missing_value": np.array([3, 5], "i2"), "_FillValue": np.int16(9)}),
    "single": ("f4", {"missing_value": np.float32(1e20), "_FillValue": np.float32(-0.0)}),
    "valid": ("f8", {"valid_range": np.array([2.0, 4.0])}),
    "lowest": ("i2", {"valid_min": np.int16(2), "scale_factor": 10.0}),
}


def packing():
    """Variables as they are stored, and, in `packing.json`, what xarray makes of them."""
    stored = np.arange(60).reshape(5, 12)
    with netCDF4.Dataset("packing.nc", "w") as file:
        file.set_auto_maskandscale(False)
        file.createDimension("neuroid", 5)
        file.createDimension("presentation", 12)
        for name, words, dimension in (
            ("neuroid_id", SITES, "neuroid"),
            ("region", REGIONS, "neuroid"),
            ("stimulus_id", [STIMULI[i % 4] for i in range(12)], "presentation"),
        ):
            file.createVariable(name, str, (dimension,))[:] = np.array(words, object)
        for name, (dtype, attributes) in PACKED.items():
            fill = attributes.get("_FillValue")
            variable = file.createVariable(name, dtype, BOTH, fill_value=fill)
            variable.set_auto_maskandscale(False)
            values = stored.astype(dtype)
            if name in ("unsigned", "signed"):
                values = (stored + 180).astype("u1").view(dtype)
            if name == "scaled":
                values[0, 3] = -999
            if name == "single":
                values[0, 3] = 1e20
            variable[:] = values
            others = {key: of for key, of in attributes.items() if key != "_FillValue"}
            variable.setncatts(others)
        double = file.createVariable("double", "f4", BOTH)
        double.set_auto_maskandscale(False)
        values = stored.astype("f4")
        values[:3, 3] = 1e20
        double[:] = values
        double.missing_value = 1e20
        unwritten = file.createVariable("unwritten", "f4", BOTH)
        unwritten.set_auto_maskandscale(False)
        unwritten[:, :11] = stored[:, :11]
    read = xr.open_dataset("packing.nc")
    expected = {}
    for name in PACKED:
        # Site by site, with null for NaN.
        rows = read[name].transpose(*BOTH).values.astype("f8")
        expected[name] = [[None if np.isnan(x) else x for x in row] for row in rows.tolist()]
    with open("packing.json", "w") as file:
        json.dump(expected, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    shapes()
    beside()
    types()
    packing()
