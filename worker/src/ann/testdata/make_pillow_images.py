"""Makes `pillow_bilinear.json`, which `worker/src/ann/resize.rs` is tested with. Needs Pillow, numpy:

    python make_pillow_images.py

Source images are rebuilt from a formula by the test; here is what Pillow's BILINEAR makes of them at
224 x 224: sampled pixels (row, column, red, green, blue) and the FNV-1a hash (64 bits) of all bytes.
"""

import json
import os

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE = 224


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


def main():
    cases = []
    for width, height in [(112, 112), (256, 256), (500, 375), (97, 301), (224, 224), (224, 100), (1, 1)]:
        small = np.asarray(Image.fromarray(source(width, height)).resize((SIDE, SIDE), Image.BILINEAR))
        at = [(k * 7919 // SIDE % SIDE, k * 104729 % SIDE) for k in range(1, 17)]
        at += [(0, 0), (0, SIDE - 1), (SIDE - 1, 0), (SIDE - 1, SIDE - 1)]
        cases.append({
            "width": width,
            "height": height,
            "fnv": fnv(small.tobytes()),
            "pixels": [[r, c, *map(int, small[r, c])] for r, c in at],
        })
    with open(os.path.join(HERE, "pillow_bilinear.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
