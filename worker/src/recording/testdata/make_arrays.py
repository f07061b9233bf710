"""Writes the NumPy arrays and the small `ventral_neural_data.hdf5` that the readers' tests open.

Needs numpy, h5py and Pillow; run from this folder: `python make_arrays.py`. The rates are those of
make_assemblies.py: `rate(site, stimulus, repetition) = 10 * site + stimulus + repetition / 10`,
without a value at site a2 in the third repetition of the last stimulus.
"""

import io
import zipfile

import h5py
import numpy as np
from PIL import Image

SITES = ["a1", "a2", "a3", "b1", "b2"]
REGIONS = ["V4", "V4", "V4", "IT", "IT"]
STIMULI, REPETITIONS = 4, 3


def rates():
    """[repetition, stimulus, site]"""
    r, s, n = np.meshgrid(range(REPETITIONS), range(STIMULI), range(5), indexing="ij")
    table = 10.0 * n + s + r / 10
    table[2, 3, 1] = np.nan
    return table


def npz(path, version=None, **arrays):
    """`numpy.savez` without the time of day."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), version=version)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (2023, 1, 1, 0, 0, 0)), buffer.getvalue())


def arrays():
    table = rates()
    npz("regions.npz", V4=table[:, :, :3].astype("<f4"), IT=np.asfortranarray(table[:, :, 3:]))
    npz(
        "named-sites.npz",
        version=(2, 0),
        anything=np.asfortranarray(table.astype(">f8")),
        regions=np.array(REGIONS),
        sites=np.array(SITES, "S"),
    )
    npz("unnamed.npz", arr_0=table[0])
    npz("differing.npz", V4=table[:, :, :3], IT=table[:2, :, 3:])
    npz("flat.npz", V4=table[0, :, 0])
    ids = np.array(["s0", "s1", "s2", "s3"])
    beside = {"rate_hz": 30000.0, "animal": "Ren\u00e9", "window": [70, 170], "names": ["a", "b", "c", "d"]}
    npz("with-ids.npz", V4=table[0], stimulus_id=ids, **beside)
    npz("more-ids.npz", V4=table[0], shown=ids, image_ids=np.arange(1, 5), **beside)
    npz("shuffled-ids.npz", V4=table[0], shown=ids[::-1])
    npz("object-ids.npz", V4=table[0], stimulus_id=ids.astype(object))
    npz("three-sites.npz", rates=table, sites=np.array(["a", "b", "c"]))
    for name, dtype in [("little", "<f4"), ("big", ">f4"), ("bytes", "i1"), ("counts", "<u2"), ("longs", ">i8")]:
        np.save(f"{name}.npy", np.floor(table[0]).astype(dtype))
    np.save("above.npy", table[0] > 20)
    np.save("fortran.npy", np.asfortranarray(np.floor(table[0]).astype("<i4")))
    np.save("transposed.npy", table[0].T)
    np.save("objects.npy", np.array([[1.0, None]], dtype=object), allow_pickle=True)
    np.save("half.npy", table[0].astype("f2"))
    np.save("record.npy", np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]))


def ventral(path, images=None, averages=None, level_three=None, drop=(), extra=(), chunks=None):
    """Ten images of 6 x 4 pixels: four of variation level 3, four of 0 and two of 6, mixed, six units
    of which the fourth is in no region, and trials of levels 0 (two) and 3 (three)."""
    levels = np.array([3, 0, 3, 6, 0, 0, 3, 0, 6, 3])
    image, unit = np.meshgrid(range(10), range(6), indexing="ij")
    true = np.sin(1.0 + image * (unit + 2)) + unit
    of_level = {n: np.flatnonzero(levels == n) for n in (0, 3, 6)}
    trials = {}
    for level, count in ((0, 2), (3, 3)):
        trial = np.arange(count)[:, None, None]
        trials[level] = true[of_level[level]][None] + 0.1 * np.cos(trial * 7 + image[of_level[level]] + unit[0])
    trials[3][2, 1, 0] = np.nan
    if averages is None:
        averages = true.copy()
        for level in trials:
            averages[of_level[level]] = np.nanmean(trials[level], axis=0)
    if level_three is not None:
        trials[3] = level_three(trials[3])
    if images is None:
        y, x = np.meshgrid(range(6), range(4), indexing="ij")
        images = np.array([20 * n + 4 * y + x for n in range(10)], "uint8")
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=chunks, compression="gzip" if chunks else None)
        meta = file.create_group("image_meta")
        meta["category"] = np.array([b"Cars", b"Boats"] * 5)
        meta["object_name"] = np.array([b"bmw", b"yacht"] * 5)
        meta["rotation_xy"] = np.linspace(-1, 1, 10)
        meta["variation_level"] = np.array([f"V{level}" for level in levels], "S")
        neurons = file.create_group("neural_meta")
        neurons["IT_NEURONS"] = np.array([4, 5, 0])
        neurons["V4_NEURONS"] = np.array([1, 2])
        neurons["ANIMAL_INFO"] = np.array([b"Chabo", b"Tito"] * 3)
        file["time_averaged_trial_averaged"] = averages.astype("float32")
        for level, values in trials.items():
            file[f"time_averaged/variation_level_{level}"] = values.astype("float32")
        for name in drop:
            del file[name]
        for name, values in extra:
            file[name] = values
    return true


def small():
    """The same simulated recordings thrice, for a whole sweep: 40 grey images of 8 x 8 pixels, two
    sites of V4 and one of IT that follow their brightness and contrast, three repetitions each."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (40, 8, 8), dtype=np.uint8)
    shade, spread = images.mean((1, 2)) / 128, images.std((1, 2)) / 64
    true = np.stack([shade, spread, shade + spread], axis=1)
    trials = (true + rng.normal(0, 0.02, (3, 40, 3))).astype("float32")
    npz("small.npz", V4=trials[:, :, :2], IT=trials[:, :, 2:])
    np.save("V4.npy", trials.mean(axis=0)[:, :2])
    with open("small.csv", "w") as file:
        file.write("stimulus_id,object_name\n")
        file.writelines(f"i{n},object{n % 2}\n" for n in range(40))
    with zipfile.ZipFile("small.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n, image in enumerate(images):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            archive.writestr(zipfile.ZipInfo(f"i{n}.png", (2023, 1, 1, 0, 0, 0)), buffer.getvalue())
    with h5py.File("small-ventral.hdf5", "w") as file:
        file["images"] = images
        file["image_meta/object_name"] = np.array([f"object{n % 2}" for n in range(40)], "S")
        file["image_meta/variation_level"] = np.array(["V0", "V3"] * 20, "S")
        file["neural_meta/V4_NEURONS"] = np.array([0, 1])
        file["neural_meta/IT_NEURONS"] = np.array([2])
        file["time_averaged_trial_averaged"] = trials.mean(axis=0)
        file["time_averaged/variation_level_0"] = trials[:, 0::2]
        file["time_averaged/variation_level_3"] = trials[:, 1::2]


def main():
    arrays()
    small()
    rng = np.random.default_rng(1)
    ventral("ventral.hdf5")
    colours = rng.integers(0, 256, (10, 6, 4, 3), dtype=np.uint8)
    ventral("ventral-colours.hdf5", images=colours, chunks=(4, 6, 2, 3))
    whole = np.array([20 * n + np.arange(24).reshape(6, 4) for n in range(10)])
    ventral("ventral-floats.hdf5", images=whole.astype("float32"))
    ventral("ventral-fractions.hdf5", images=(whole / 255).astype("float32"))
    # Trials whose images stand in another order than image_meta's.
    ventral("ventral-shuffled.hdf5", level_three=lambda trials: trials[:, ::-1])
    ventral("ventral-no-trials.hdf5", drop=["time_averaged"])
    # Labels that are none, and trials of a unit too few.
    odd = [("image_meta/corners", np.zeros((10, 2))), ("image_meta/seen", np.ones(10, bool))]
    ventral("ventral-odd.hdf5", level_three=lambda trials: trials[:, :, 1:], extra=odd)
    ventral("ventral-no-images.hdf5", drop=["images"])
    ventral("ventral-no-levels.hdf5", drop=["image_meta/variation_level"])
    ventral("ventral-flat-images.hdf5", images=np.zeros((10, 24), "uint8"))
    ventral("ventral-few-averages.hdf5", averages=np.zeros((9, 6)))


if __name__ == "__main__":
    main()
