"""Writes the MATLAB files that the reader's tests open, with SciPy 1.17, hdf5storage 0.2.2 and h5py 3.16.

Needs these and numpy; run from this folder: `python make_matlab.py`. The rates are those of make_arrays.py:
`rate(site, stimulus, repetition) = 10 * site + stimulus + repetition / 10`, without a value at site a2 in the
third repetition of the last stimulus; MATLAB's arrays are sites x stimuli x repetitions.
"""

import struct

import h5py
import hdf5storage
import numpy as np
import scipy.io

from make_arrays import REGIONS, SITES, rates

TABLE = rates().transpose(2, 1, 0)  # [site, stimulus, repetition]
IDS = ["s0", "s1", "s2", "s3"]
FIRST = np.floor(TABLE[:, :, 0])


def cells(words):
    return np.array(words, dtype=object).reshape(-1, 1)


WORKSPACE = {
    "rates": TABLE,
    "sites": cells(SITES),
    "regions": cells(REGIONS),
    "stimulus_id": cells(IDS),
    "fs": 30000.0,
    "window": np.array([[70.0, 170.0]]),
    "animal": "Ren\u00e9",
    "params": {"gain": 2.0, "name": "probe"},
    "mixed": np.array([1.0, "a"], dtype=object),
    "nothing": np.zeros((0, 3)),
    "fft": np.array([[1 + 2j, 3j], [1, 2]]),
}


def five():
    """SciPy's files, packed and not, and one with a type per variable."""
    scipy.io.savemat("packed.mat", WORKSPACE, do_compression=True)
    scipy.io.savemat("plain.mat", WORKSPACE)
    scipy.io.savemat("shuffled.mat", {**WORKSPACE, "stimulus_id": cells(IDS[::-1])}, do_compression=True)
    types = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "bool"]
    scipy.io.savemat(
        "types.mat",
        {f"as_{name}": (FIRST.T > 20 if name == "bool" else FIRST.T.astype(name)) for name in types},
        do_compression=True,
    )
    scipy.io.savemat("four.mat", {"rates": FIRST}, format="4")
    scipy.io.savemat("characters.mat", {"rates": FIRST.T, "stimulus_id": np.array(IDS), "one": "word"})
    scipy.io.savemat("sparse.mat", {"rates": scipy.sparse.csc_matrix(FIRST)})
    scipy.io.savemat("list.mat", {"fs": 30000.0, "V4": FIRST.T[:, :1], "window": np.array([[70.0, 170.0]])})
    scipy.io.savemat("struct-sites.mat", {"V4": FIRST.T, "sites": {"row": [1.0, 2.0]}})
    scipy.io.savemat("struct.mat", {"fs": 30000.0, "lab": {"V4": FIRST.T}, "valid": FIRST.T > 20})


def big_endian(path):
    """What MATLAB on a big-endian machine writes: the format's description, by hand."""

    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    values = FIRST.T
    body = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">2i", *values.shape))
    body += struct.pack(">HH4s", 2, 1, b"V4\0\0")  # a small element
    body += element(9, values.ravel("F").astype(">f8").tobytes())
    header = b"MATLAB 5.0 MAT-file, Platform: SOL2".ljust(124) + b"\1\0MI"
    open(path, "wb").write(header + element(14, body))


def seven():
    """hdf5storage's file, and one as MATLAB itself writes TVSD's."""
    hdf5storage.savemat("seven.mat", WORKSPACE, format="7.3", oned_as="column", store_python_metadata=False)
    lab = {"V4": FIRST.T, "names": cells(IDS)}
    hdf5storage.savemat("field.mat", {"lab": lab}, format="7.3", oned_as="column", store_python_metadata=False)
    with h5py.File("things.mat", "w", userblock_size=512) as file:

        def put(name, array, kind="double", **options):
            matlab(file, name, array, kind, **options)

        test = np.stack([TABLE[:, :3, 0], TABLE[:, :3, 1]], axis=2)
        put("train_MUA", FIRST.astype("f4"), "single", chunks=(2, 5), compression="gzip")
        put("test_MUA", test.mean(axis=2))
        put("test_MUA_reps", test)
        put("SNR", np.ones((5, 6)))
        put("oracle", np.ones((1, 5)))
        put("tb", np.arange(300.0).reshape(1, -1))
    begin("things.mat")


def matlab(file, name, array, kind="double", **options):
    data = file.create_dataset(name, data=array.T, **options)
    data.attrs["MATLAB_class"] = np.bytes_(kind)


def begin(path):
    start = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."
    with open(path, "r+b") as file:
        file.write(start.ljust(116) + b"\0" * 8 + b"\0\2IM")


def odd():
    """Responses beside a mask, a struct within a struct, and a virtual dataset, which is not read."""
    with h5py.File("odd.mat", "w", userblock_size=512) as file:
        matlab(file, "V4", FIRST.T)
        matlab(file, "valid", (FIRST.T > 20).astype("u1"), "logical")
        matlab(file, "lab/session/V4", FIRST.T)
        layout = h5py.VirtualLayout((5, 4), dtype="f8")
        layout[...] = h5py.VirtualSource(file["V4"])
        file.create_virtual_dataset("elsewhere", layout).attrs["MATLAB_class"] = np.bytes_("double")
    begin("odd.mat")


if __name__ == "__main__":
    five()
    big_endian("big-endian.mat")
    seven()
    odd()
