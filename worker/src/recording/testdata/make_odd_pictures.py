"""Writes pictures that other programs understand otherwise: BMPs of palettes, `palettes.zip`, and JPEGs of which one
byte is damaged, `damaged.zip`; and the hash of what Pillow's `convert("RGB")` makes of each, `palettes.csv` and
`damaged.csv` (file, width, height, FNV-1a of 64 bits).

Needs numpy and Pillow (13.0.0 made these, with libjpeg-turbo 3.2.0). Run from this folder:
`python make_odd_pictures.py`.
"""

import io

import numpy as np
from PIL import Image

from make_pictures import bmp, fnv, write


def palettes():
    rows = bytes([0, 1, 0, 1, 1, 0, 0, 1])
    bits = bytes([0x50, 0, 0, 0] * 2)
    greys = b"".join(bytes([i, i, i, 0]) for i in range(256))
    black, white, red = b"\0\0\0\0", b"\xff\xff\xff\0", b"\x07\x08\xf0\0"
    size = (4, 2)
    yield "8-greys.bmp", bmp(8, (), size, rows, greys, 0)
    yield "8-white-black.bmp", bmp(8, (), size, rows, white + black, 0)
    yield "8-black-red.bmp", bmp(8, (), size, rows, black + red, 0)
    yield "8-lacks.bmp", bmp(8, (), size, bytes(range(8)), black + red, 0)
    yield "4-lacks.bmp", bmp(4, (), size, bytes([1, 0x23, 0, 0] * 2), red + black, 0)
    yield "1-black-white.bmp", bmp(1, (), size, bits, black + white, 0)
    yield "1-white-black.bmp", bmp(1, (), size, bits, white + black, 0)
    yield "1-red.bmp", bmp(1, (), size, bits, red, 0)
    yield "4-runs-greys.bmp", bmp(4, (), size, bytes([4, 0x12, 0, 0, 4, 0x2F, 0, 1]), greys[:64], 2)
    yield "refused-8-black-white.bmp", bmp(8, (), size, rows, black + white, 0)
    yield "refused-8-black.bmp", bmp(8, (), size, rows, black, 0)
    yield "refused-8-few-greys.bmp", bmp(8, (), size, bytes(range(8)), greys[:12], 0)
    yield "refused-4-black-white.bmp", bmp(4, (), size, bytes([1, 0x10, 0, 0] * 2), black + white, 0)
    yield "refused-4-greys.bmp", bmp(4, (), size, bytes([1, 0x23, 0, 0] * 2), greys[:64], 0)
    yield "refused-1-black.bmp", bmp(1, (), size, bits, black, 0)
    early = bytearray(bmp(8, (), size, rows, white + black, 0))
    early[10] = 54
    yield "refused-pixels-in-palette.bmp", bytes(early)


def damaged():
    """Slopes and noise; of some of each kind, one byte of the coded picture is another, or of its table."""
    rng = np.random.default_rng(31)
    for number in range(44):
        y, x = np.mgrid[0:24, 0:24]
        waves = np.stack([128 + 90 * np.sin(x / 7 + c + number) + 30 * np.cos(y / 5) for c in range(3)], -1)
        picture = Image.fromarray((waves + rng.normal(0, 10, waves.shape)).clip(0, 255).astype(np.uint8))
        file = io.BytesIO()
        kind = ["baseline", "progressive"][number % 2]
        picture.save(file, "JPEG", quality=75, progressive=number % 2 == 1, subsampling=number % 3)
        jpeg = bytearray(file.getvalue())
        if number >= 41:
            # The first step of quantisation, from which all brightnesses come.
            jpeg[jpeg.find(b"\xff\xdb") + 5] = 255
        elif number >= 6:
            scan = jpeg.find(b"\xff\xda")
            at = int(rng.integers(scan + 16, len(jpeg) - 4))
            jpeg[at] = rng.choice([byte for byte in (0x55, 0x12, 0xA3, 0x7E) if byte != jpeg[at]])
        try:
            Image.open(io.BytesIO(jpeg)).convert("RGB")
        except OSError:
            continue
        yield f"{number:02}-{'damaged' if number >= 6 else 'whole'}-{kind}.jpg", bytes(jpeg)


if __name__ == "__main__":
    write("palettes", palettes(), "fnv", lambda pixels: f"{fnv(pixels):016x}")
    write("damaged", damaged(), "fnv", lambda pixels: f"{fnv(pixels):016x}")
