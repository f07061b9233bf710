"""Writes `methods.zip`: the same 10,000 bytes packed by every method that is read.

Needs Python 3.11 with backports.zstd 1.8, and 7-Zip 26.02 (`7zz`) for deflate64. Python's and 7-Zip's zip writers
have no xz, so that entry is written by hand. Run from this folder: `python make_archives.py`.
"""

import lzma
import os
import shutil
import struct
import subprocess
import tempfile
import zipfile
import zlib

from backports.zstd import zipfile as with_zstd

CONTENT = b"".join(struct.pack("<I", n * n % 977) for n in range(2500))
DATE = (2023, 1, 1, 0, 0, 0)
XZ = 95


def by_python(path):
    methods = {
        "stored": zipfile.ZIP_STORED,
        "deflate": zipfile.ZIP_DEFLATED,
        "bzip2": zipfile.ZIP_BZIP2,
        "lzma": zipfile.ZIP_LZMA,
        "zstd": with_zstd.ZIP_ZSTANDARD,
    }
    with with_zstd.ZipFile(path, "w") as archive:
        for name, method in methods.items():
            archive.writestr(with_zstd.ZipInfo(name, DATE), CONTENT, method)
        # xz: stored as packed, then its headers are changed.
        packed = lzma.compress(CONTENT, lzma.FORMAT_XZ)
        archive.writestr(with_zstd.ZipInfo("xz", DATE), packed, zipfile.ZIP_STORED)
    zipped = bytearray(open(path, "rb").read())
    for signature, method_at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        name_at = {8: 30, 10: 46}[method_at]
        for at in range(len(zipped)):
            if zipped[at : at + 4] == signature and zipped[at + name_at : at + name_at + 2] == b"xz":
                struct.pack_into("<H", zipped, at + method_at, XZ)
                struct.pack_into("<I", zipped, at + method_at + 6, zlib.crc32(CONTENT))
                struct.pack_into("<I", zipped, at + method_at + 14, len(CONTENT))
    open(path, "wb").write(zipped)


def by_seven_zip(path):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "deflate64")
        open(file, "wb").write(CONTENT)
        os.utime(file, (1672531200, 1672531200))
        command = ["7zz", "a", "-bso0", "-tzip", "-mm=Deflate64", "-mtc=off", "-mta=off", os.path.abspath(path), file]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "methods.zip")
        by_python(made)
        by_seven_zip(made)
        shutil.copy(made, "methods.zip")
    subprocess.run(["7zz", "t", "-bso0", "methods.zip"], check=True)
    print(os.path.getsize("methods.zip"))
