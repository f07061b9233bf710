"""Writes the small assemblies that the readers' tests open.

Needs numpy, xarray, netCDF4, h5netcdf and Pillow; run from this folder: `python make_assemblies.py`.
The numbers are a pure function of site, stimulus and repetition, so that the tests can state them:
`rate(site, stimulus, repetition) = 10 * site + stimulus + repetition / 10`.
"""

import io
import zipfile

import h5py
import numpy as np
import xarray as xr
from PIL import Image

SITES = ["a1", "a2", "a3", "b1", "b2"]
REGIONS = ["V4", "V4", "V4", "IT", "IT"]
STIMULI = ["s0", "s1", "s2", "s3"]
REPETITIONS = 3


def rates():
    """[neuroid, presentation]; the third repetition of the last stimulus has no value at site a2."""
    presentations = [(s, r) for r in range(REPETITIONS) for s in range(len(STIMULI))]
    table = np.array(
        [[10 * n + s + r / 10 for (s, r) in presentations] for n in range(len(SITES))]
    )
    table[1, presentations.index((3, 2))] = np.nan
    return presentations, table


def assembly(spelling, dims, name, values=None, sites=SITES, **coords):
    presentations, table = rates()
    table = table if values is None else values
    every = {
        "neuroid_id": ("neuroid", np.array(sites)),
        "region": ("neuroid", np.array(REGIONS)),
        spelling: ("presentation", np.array([STIMULI[s] for s, _ in presentations])),
        "repetition": ("presentation", np.array([r for _, r in presentations])),
    }
    data, own = table, ["neuroid", "presentation"]
    if "time_bin" in dims:
        bins = coords.pop("bins", 1)
        data = np.repeat(data[:, :, None], bins, axis=2)
        own = own + ["time_bin"]
        every["time_bin_start"] = ("time_bin", 70 + 100 * np.arange(bins))
        every["time_bin_end"] = ("time_bin", 170 + 100 * np.arange(bins))
    array = xr.DataArray(data, dims=own, coords=every, name=name).transpose(*dims)
    return array.astype(coords.pop("dtype", "float32"))


ZLIB = {"zlib": True, "complevel": 6}


def main():
    newer = assembly("stimulus_id", ("neuroid", "presentation", "time_bin"), "data")
    newer.to_netcdf("newer-netcdf4.nc", engine="netcdf4", encoding={"data": ZLIB})
    newer.to_netcdf("newer-h5netcdf.nc", engine="h5netcdf", encoding={"data": ZLIB})

    older = assembly("image_id", ("presentation", "neuroid"), None, dtype="float64")
    older.to_netcdf("older-netcdf4.nc", engine="netcdf4")
    older.to_netcdf("older-h5netcdf.nc", engine="h5netcdf")

    # Characters of a fixed width, a chunked array whose axes stand the other way round, and an
    # unlimited dimension.
    fixed = assembly("stimulus_id", ("time_bin", "presentation", "neuroid"), "rates")
    fixed = fixed.to_dataset()
    for coordinate in ("neuroid_id", "region", "stimulus_id"):
        fixed[coordinate] = fixed[coordinate].astype("S")
    fixed.to_netcdf(
        "fixed-strings.nc",
        engine="netcdf4",
        unlimited_dims=["presentation"],
        encoding={"rates": {**ZLIB, "chunksizes": (1, 5, 2)}},
    )

    # The axis of length 1 in the middle, and by the other engine. As everywhere here, no dimension
    # has a variable of its own: both engines write placeholders.
    middle = assembly("image_id", ("presentation", "time_bin", "neuroid"), "rates")
    middle.to_netcdf("middle-h5netcdf.nc", engine="h5netcdf", encoding={"rates": ZLIB})

    # The format before HDF5, which some tools still write.
    newer.to_netcdf("classic.nc", engine="netcdf4", format="NETCDF3_64BIT")

    _, table = rates()
    counts = np.floor(np.nan_to_num(table)).astype("int32")
    integers = assembly(
        "stimulus_id", ("neuroid", "presentation"), "counts", counts, dtype="int32"
    )
    integers.to_netcdf("integers.nc", engine="netcdf4")

    bins = assembly("stimulus_id", ("neuroid", "presentation", "time_bin"), "data", bins=3)
    bins.to_netcdf("three-bins.nc", engine="netcdf4")

    silent = table.copy()
    silent[4, :] = np.nan
    silent = assembly("stimulus_id", ("neuroid", "presentation"), "data", silent)
    silent.to_netcdf("silent-site.nc", engine="netcdf4")

    endless = table.copy()
    endless[0, 1] = np.inf
    endless = assembly("stimulus_id", ("neuroid", "presentation"), "data", endless)
    endless.to_netcdf("infinite.nc", engine="netcdf4")

    with h5py.File("plain-hdf5.nc", "w") as file:
        file["weights"] = np.zeros((2, 3), "float32")

    # Pictures in every mode people have, with what Pillow's convert("RGB") makes of them.
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (5, 4, 1), dtype=np.uint8)
    picture = Image.fromarray(rgb)
    modes = {
        "rgb": picture,
        "rgba": Image.fromarray(np.concatenate([rgb, alpha], axis=2)),
        "grey": picture.convert("L"),
        "grey-alpha": Image.fromarray(np.concatenate([rgb, alpha], axis=2)).convert("LA"),
        "palette": picture.quantize(8),
        "bilevel": picture.convert("1"),
    }
    stored = {}
    expected = []
    for name, image in modes.items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        stored[f"modes/{name}.png"] = buffer.getvalue()
        reread = Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
        expected.append(f"{name},{np.asarray(reread).tobytes().hex()}\n")
    buffer = io.BytesIO()
    Image.fromarray((rgb[:, :, 0].astype(np.uint16) * 257)).save(buffer, "PNG")
    stored["modes/grey16.png"] = buffer.getvalue()
    # A phone's photograph: stored lying down, marked "turn me". The readers must not turn it.
    turned = Image.fromarray(np.repeat(np.repeat(rgb[:, :, :1], 8, 0), 8, 1).repeat(3, 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", exif=exif, quality=90)
    stored["modes/turned.jpg"] = buffer.getvalue()
    stored["modes/words.png"] = b"this is no picture"
    with zipfile.ZipFile("pictures.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in stored.items():
            archive.writestr(zipfile.ZipInfo(name, (2023, 1, 1, 0, 0, 0)), data)
    with open("pictures.csv", "w") as file:
        file.write("mode,rgb_hex\n")
        file.writelines(expected)


if __name__ == "__main__":
    main()
