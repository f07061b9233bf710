"""Makes `pillow_bilinear.json`, which `worker/src/ann/resize.rs` is tested with. Needs numpy, and two
Pythons: one with Pillow 12 (12.3.0), one with Pillow 13 (13.0.0), which writes the file:

    PILLOW_12=path/to/python-with-pillow-12 python make_pillow_images.py

Source images are rebuilt from a formula by the test; here are the FNV-1a hashes (64 bits) of all bytes
that BILINEAR of either version makes of them.
"""

import json
import os
import subprocess

import numpy as np
import PIL
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def source(width, height):
    """A textured image: products of coordinates modulo 256 leave edges at every scale."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (x * y // 3 + 7 * x) % 256
    green = (x * x // 5 + 11 * y) % 256
    blue = np.where((x // 9 + y // 13) % 2 == 0, 250, 3)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


SIZES = [(112, 112), (256, 256), (500, 375), (97, 301), (224, 224), (224, 100), (1, 1), (224, 600)]
# On both sides of the bound, and far from it.
SIZES += [(300, 376), (300, 377), (100, 225), (60, 700), (480, 640), (256, 1200), (225, 226), (225, 227)]
CASES = [(size, (224, 224)) for size in SIZES]
CASES += [(size, to) for size in [(70, 160), (160, 70), (90, 300)] for to in [(64, 64), (32, 96), (227, 50)]]


def hashes():
    for size, to in CASES:
        yield fnv(Image.fromarray(source(*size)).resize(to, Image.BILINEAR).tobytes())


def main():
    version = PIL.__version__.split(".")[0]
    if version == "12":
        print(json.dumps(list(hashes())))
        return
    assert version == "13", "write the file with Pillow 13"
    other = subprocess.run([os.environ["PILLOW_12"], __file__], check=True, capture_output=True)
    cases = [
        {"size": size, "to": to, "pillow_12": old, "pillow_13": new}
        for (size, to), old, new in zip(CASES, json.loads(other.stdout), hashes())
    ]
    with open(os.path.join(HERE, "pillow_bilinear.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
