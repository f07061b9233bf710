"""Makes the HDF5 files that the tests of `hdf5` read.

Needs h5py 3.16 and hdf5plugin 7.1; run from this folder: `python make_hdf5.py`. In each file, every dataset
holds the numbers of the dataset `plain`, which is plain zlib. `plain` is a pure function of the index,
so that the tests can state it.
"""

import h5py
import hdf5plugin as p
import numpy as np


def pattern(n):
    """A staircase, with a spike every 397th number."""
    i = np.arange(n)
    return (i // 64) * 0.5 - 20.0 + np.where(i % 397 == 0, 1000.0, 0.0)


def write(name, n, datasets, dtype="<f4"):
    with h5py.File(name, "w", libver="latest") as file:
        values = pattern(n).astype(dtype)
        file.create_dataset("plain", data=values, compression="gzip")
        for dataset, (chunk, options) in datasets.items():
            file.create_dataset(dataset, data=values, chunks=(chunk,), **options)


def blosc():
    """Every codec with every order of bytes, in chunks of several blocks and of one, whose last is shorter."""
    orders = {"none": p.Blosc.NOSHUFFLE, "bytes": p.Blosc.SHUFFLE, "bits": p.Blosc.BITSHUFFLE}
    found = {}
    for codec in ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"):
        for order, shuffle in orders.items():
            for level, chunk in ((1, 7001), (9, 900)):
                options = dict(p.Blosc(cname=codec, clevel=level, shuffle=shuffle))
                found[f"{codec}-{order}-{level}"] = (chunk, options)
    return found


def others():
    found = {
        "zstd": (1000, dict(p.Zstd(clevel=3))),
        "zstd-shuffle": (1000, {**p.Zstd(clevel=22), "shuffle": True}),
        "bzip2": (1000, dict(p.BZip2(blocksize=9))),
        "lz4": (1000, dict(p.LZ4())),
        "lz4-blocks": (1000, dict(p.LZ4(nbytes=512))),
        "lzf": (1000, dict(compression="lzf")),
        "lzf-shuffle": (1000, dict(compression="lzf", shuffle=True)),
        "gzip-shuffle-fletcher32": (
            1000,
            dict(compression="gzip", shuffle=True, fletcher32=True),
        ),
        "zstd-fletcher32": (1000, {**p.Zstd(), "fletcher32": True}),
    }
    return found


def bitshuffle():
    found = {}
    for codec in ("none", "lz4", "zstd"):
        found[f"bitshuffle-{codec}"] = (1003, dict(p.Bitshuffle(cname=codec)))
        if codec != "none":
            found[f"bitshuffle-{codec}-64"] = (1003, dict(p.Bitshuffle(cname=codec, nelems=64)))
    return found


def noise():
    """Numbers that no codec shortens: chunks are stored, or filters are left out."""
    bits = np.random.default_rng(7).integers(0, 2**64, 300, dtype=np.uint64)
    with h5py.File("noise.h5", "w") as file:
        file["plain"] = bits
        for name, options in {
            "blosclz": dict(p.Blosc(cname="blosclz", shuffle=p.Blosc.SHUFFLE)),
            "blosc-lz4": dict(p.Blosc(cname="lz4", shuffle=p.Blosc.BITSHUFFLE)),
            "lzf": dict(compression="lzf"),
            "lz4": dict(p.LZ4()),
            "bitshuffle": dict(p.Bitshuffle()),
        }.items():
            file.create_dataset(name, data=bits, chunks=(150,), **options)


def numbers():
    """Every type of number, 0 to 11 less 4, or 0 to 11 where there is no sign."""
    with h5py.File("numbers.h5", "w") as file:
        for order in "<>":
            for kind in ("i1", "i2", "i4", "i8", "f2", "f4", "f8"):
                file[f"signed/{kind}{'le' if order == '<' else 'be'}"] = (
                    np.arange(12) - 4
                ).astype(order + kind)
            for kind in ("u1", "u2", "u4", "u8"):
                file[f"unsigned/{kind}{'le' if order == '<' else 'be'}"] = np.arange(12).astype(
                    order + kind
                )
        # Twelve bits at the fourth, as n-bit packs them, and bfloat16.
        twelve = h5py.h5t.STD_I16LE.copy()
        twelve.set_precision(12)
        twelve.set_offset(4)
        bfloat16 = h5py.h5t.IEEE_F32LE.copy()
        bfloat16.set_fields(15, 7, 8, 0, 7)
        bfloat16.set_size(2)
        bfloat16.set_ebias(127)
        space = h5py.h5s.create_simple((12,))
        data = (np.arange(12) - 4).astype("<f4")
        for name, of in (("signed/i12", twelve), ("signed/bfloat16", bfloat16)):
            dataset = h5py.h5d.create(file.id, name.encode(), of, space)
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, data)
        enumeration = h5py.enum_dtype({"V4": 0, "IT": 1}, basetype="i2")
        file.create_dataset("enum", data=[0, 1, 1], dtype=enumeration)
        # What is not read: 80 bits of x86, two numbers an entry.
        file["unread/longdouble"] = np.arange(3, dtype=np.longdouble)
        file["unread/complex"] = np.arange(3, dtype="c8")
        extremes = np.array([65504, -65504, 2**-24, np.inf, -np.inf, np.nan, -0.0], "<f2")
        file["extremes/f2"] = extremes
        file["extremes/f4"] = extremes.astype("<f4")


def unread():
    """A filter that is not read."""
    with h5py.File("blosc2.h5", "w") as file:
        values = pattern(1000).astype("<f4")
        file.create_dataset("blosc2", data=values, chunks=(500,), **p.Blosc2())


def growing():
    """Datasets that may grow: those whose chunks the reader finds, and those it would take for others."""
    values = np.arange(168, dtype="<i2").reshape(7, 24)

    def create(group, name, chunks, maxshape, data=values, **options):
        group.create_dataset(name, data=data, chunks=chunks, maxshape=maxshape, **options)

    def implicit(group, maxshape):
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_chunk((3, 5))
        how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple(values.shape, maxshape)
        of = h5py.h5t.STD_I16LE
        h5py.Dataset(h5py.h5d.create(group.id, b"implicit", of, space, how))[...] = values

    with h5py.File("growing.h5", "w", libver="latest") as file:
        read = file.create_group("read")
        create(read, "first", (3, 5), (14, 24))
        create(read, "one-row", (7, 5), (7, 48))
        create(read, "one-chunk", (7, 24), (21, 48))
        create(read, "as-many-chunks", (3, 5), (7, 25))
        create(read, "unlimited-second", (3, 5), (30, None))
        create(read, "unlimited-first", (3, 5), (None, 48))
        create(read, "unlimited", (3, 5), (None, None))
        implicit(read, (14, 24))
        unread = file.create_group("unread")
        create(unread, "second", (3, 5), (7, 48))
        create(unread, "gzip", (3, 5), (14, 48), compression="gzip")
        create(unread, "cube", (2, 2, 2), (7, 4, 9), values.reshape(7, 4, 6))
        implicit(unread, (7, 48))
        unread.create_dataset(
            "external", shape=(4,), dtype="f8", external=[("numbers.bin", 0, 32)]
        )
    with h5py.File("virtual.h5", "w") as file:
        file["plain"] = values
        layout = h5py.VirtualLayout(values.shape, "f8")
        layout[...] = h5py.VirtualSource(file["plain"])
        file.create_virtual_dataset("virtual", layout)


def members():
    """Groups of every format, with a virtual dataset in each."""
    with h5py.File("members.h5", "w") as file:
        file["plain"] = np.arange(3.0)

        def virtual(group):
            layout = h5py.VirtualLayout((3,), "f8")
            layout[...] = h5py.VirtualSource(file["plain"])
            group.create_virtual_dataset("virtual", layout)

        virtual(file)
        few = file.create_group("few", track_order=True)
        virtual(few)
        few.create_group("inner", track_order=True)["plain"] = 1.0
        few["plain"] = 2.0
        many = file.create_group("many", track_order=True)
        for n in reversed(range(20)):
            many[f"plain-{n}"] = float(n)
        virtual(many)


if __name__ == "__main__":
    of_codec = blosc()
    for codec in ("blosclz", "lz4", "snappy", "zlib", "zstd"):
        # lz4hc is a way to write lz4.
        of = {name: how for name, how in of_codec.items() if name.startswith(codec)}
        write(f"blosc-{codec}.h5", 7001, of)
    write("filters.h5", 2500, others())
    write("bitshuffle.h5", 2500, bitshuffle())
    odd = {
        "blosc": (123, dict(p.Blosc(cname="lz4", shuffle=p.Blosc.BITSHUFFLE))),
        "blosc-stored": (123, dict(p.Blosc(clevel=0))),
        "bitshuffle": (123, dict(p.Bitshuffle())),
    }
    write("odd.h5", 500, odd, "<f8")
    noise()
    numbers()
    unread()
    growing()
    members()
