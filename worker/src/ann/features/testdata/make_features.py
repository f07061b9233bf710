"""Makes the files of activations that the tests of `ann::features` read.

Needs numpy 2.4, xarray 2026.9, netCDF4 1.7.5 and h5netcdf 1.8.2; run from this folder: `python make_features.py`.
The activation of unit u, in the order of rows of all axes but the first, of layer l for stimulus s<k> is
1000 * l + 100 * k + u; that of `never`, which was not shown, has k = 9.
"""

import io
import zipfile

import numpy as np
import xarray as xr

# The stimulus set's lines; the third was never shown.
LINES = ["s3", "s1", "never", "s0", "s2"]
SHUFFLED = ["s0", "extra", "s2", "never", "s1", "s3"]


def number(name):
    return {"never": 9, "extra": 8}.get(name) or int(name.removeprefix("s"))


def layer(index, names, *shape, dtype="<f4"):
    units = np.arange(np.prod(shape)).reshape(shape)
    numbers = np.array([number(name) for name in names])
    return (1000 * index + 100 * numbers.reshape(-1, *[1] * len(shape)) + units).astype(dtype)


def npz(path, compression, **arrays):
    """`numpy.savez` without the time of day."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (2023, 1, 1, 0, 0, 0))
            archive.writestr(entry, buffer.getvalue(), compression)


def npy():
    for name, dtype in {
        "single": "<f4", "half": "<f2", "double": "<f8", "big": ">f4", "whole": "<i8", "bytes": "<u2",
    }.items():
        np.save(f"{name}.npy", layer(0, LINES, 3, dtype=dtype))
    np.save("deep.npy", layer(0, LINES, 2, 3))
    np.save("fortran.npy", np.asfortranarray(layer(0, LINES, 2, 3, dtype="<f8")))
    np.save("four.npy", layer(0, LINES[:4], 3))
    np.save("vector.npy", np.arange(5.0))
    np.save("words.npy", np.array(LINES))
    odd = layer(0, LINES, 3, dtype="<f8")
    odd[2] = np.nan  # never shown
    np.save("unused-nan.npy", odd)
    odd[3, 1] = np.nan
    np.save("nan.npy", odd)
    odd[3, 1] = 1e39
    np.save("large.npy", odd)


def archives():
    named = {
        "stimulus_id": np.array(SHUFFLED),
        "conv1": layer(1, SHUFFLED, 2, 2),
        "layer1.0/relu": np.asfortranarray(layer(2, SHUFFLED, 3, dtype="<f8")),
        "label": np.array(["car"] * len(SHUFFLED)),
        "area": np.arange(6.0),
        "basis": np.eye(3),
    }
    npz("stored.npz", zipfile.ZIP_STORED, **named)
    npz("packed.npz", zipfile.ZIP_DEFLATED, **named)
    npz("lines.npz", zipfile.ZIP_STORED, fc=layer(1, LINES, 3), pool=layer(2, LINES, 2))
    npz("ids.npz", zipfile.ZIP_STORED, ids=np.array(LINES).astype("S"), fc=layer(1, LINES, 3))
    lacking = ["s0", "s3"]
    npz("lacking.npz", zipfile.ZIP_STORED, image_id=np.array(lacking), fc=layer(1, lacking, 3))
    npz("twice.npz", zipfile.ZIP_STORED, image_id=np.array(["s0", "s1", "s0"]), fc=np.eye(3))
    npz("ids-alone.npz", zipfile.ZIP_STORED, image_id=np.array(LINES), area=np.arange(5.0))


def small():
    """For the recordings `small` of `recording/testdata`: by lines, and by ids in the reverse order."""
    values = np.random.default_rng(3).normal(size=(40, 6)).astype("<f4")
    np.save("small.npy", values)
    ids = np.array([f"i{line}" for line in range(40)])
    npz("small.npz", zipfile.ZIP_DEFLATED, stimulus_id=ids[::-1], small=values[::-1])


def extractor(dtype="float32"):
    """As Brain-Score's extractors hold activations: units of all layers side by side."""
    layers = [("features.2", layer(1, SHUFFLED, 4)), ("features.7", layer(2, SHUFFLED, 3))]
    units = [(name, unit) for name, values in layers for unit in range(values.shape[1])]
    return xr.DataArray(
        np.concatenate([values for _, values in layers], axis=1).astype(dtype),
        dims=["presentation", "neuroid"],
        coords={
            "stimulus_id": ("presentation", SHUFFLED),
            "object_name": ("presentation", ["car"] * len(SHUFFLED)),
            "neuroid_id": ("neuroid", [f"alexnet.{name}.{unit}" for name, unit in units]),
            "neuroid_num": ("neuroid", [unit for _, unit in units]),
            "layer": ("neuroid", [name for name, _ in units]),
            "model": ("neuroid", ["alexnet"] * len(units)),
        },
        name="data",
    )


def netcdf():
    features = extractor()
    packed = {"data": {"zlib": True, "shuffle": True, "complevel": 9, "chunksizes": features.shape}}
    features.to_netcdf("extractor.nc", engine="netcdf4", encoding=packed)
    features.T.to_netcdf("transposed.nc", engine="h5netcdf")
    # Layers that are not side by side, and a third axis.
    order = [4, 0, 5, 1, 2, 6, 3]
    woven = features.isel(neuroid=order).expand_dims(time_bin=[0]).transpose(..., "presentation")
    woven.to_netcdf("woven.nc", engine="h5netcdf")
    # The only coordinate of the dimension, as xarray 2022 wrote it.
    only = features.drop_vars(["stimulus_id", "object_name"])
    only = only.assign_coords(presentation_=("presentation", SHUFFLED))
    only.to_netcdf("only.nc", engine="h5netcdf")
    plain = xr.Dataset(
        {
            "conv1": (["channel", "stimulus_id", "y"], layer(1, SHUFFLED, 2, 2).transpose(1, 0, 2)),
            "fc": (["stimulus_id", "unit"], layer(2, SHUFFLED, 3, dtype="<i4")),
            "area": ("stimulus_id", np.arange(6.0)),
        },
        coords={"stimulus_id": SHUFFLED},
    )
    plain.to_netcdf("plain.nc", engine="h5netcdf")
    one = extractor("float64").isel(neuroid=slice(4, None)).drop_vars("layer").rename(None)
    one.to_netcdf("classic.nc", engine="netcdf4", format="NETCDF3_64BIT")
    features.drop_vars("stimulus_id").to_netcdf("unnamed.nc", engine="h5netcdf")


if __name__ == "__main__":
    npy()
    archives()
    small()
    netcdf()
