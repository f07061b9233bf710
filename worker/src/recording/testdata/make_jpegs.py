"""Writes small JPEGs of every kind, `jpegs.zip`, and the hash of what Pillow's `convert("RGB")` makes of
each, `jpegs.csv` (file, width, height, FNV-1a of 64 bits).

Needs numpy, Pillow (13.0.0 made these, with libjpeg-turbo 3.2.0), simplejpeg (1.9.0) for 4:4:0 and 4:1:1,
and libjpeg-turbo's `cjpeg` (2.1.5) for arithmetic coding, odd samplings and unfinished progressive files.
Run from this folder: `python make_jpegs.py`.
"""

import io
import subprocess
import tempfile
import zipfile

import numpy as np
import PIL
import simplejpeg
from PIL import Image, features

RNG = np.random.default_rng(18)
SIDES = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 40, 47]


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def picture(width, height):
    """Slopes, edges and noise, so that every coefficient occurs."""
    y, x = np.mgrid[0:height, 0:width]
    angle = RNG.uniform(0, 2 * np.pi, 3)
    pitch = RNG.uniform(0.05, 1.5, 3)
    waves = np.sin((x[..., None] * np.cos(angle) + y[..., None] * np.sin(angle)) * pitch) * 90 + 128
    edge = (x + y) % int(RNG.integers(5, 20)) < 4
    waves[edge] = RNG.integers(0, 256, 3)
    waves += RNG.normal(0, RNG.choice([0, 3, 25]), waves.shape)
    return Image.fromarray(waves.clip(0, 255).astype(np.uint8))


def size():
    return int(RNG.choice(SIDES)), int(RNG.choice(SIDES))


def by_pillow():
    """4:4:4, 4:2:2, 4:2:0 and grey; qualities; baseline, optimised and progressive; restarts."""
    number = 0
    for subsampling in [0, 1, 2, "grey"]:
        for quality in [5, 30, 60, 75, 90, 96, 100]:
            for kind in ["baseline", "optimised", "progressive", "restarts"]:
                image = picture(*size())
                options = {"quality": quality}
                name = str(subsampling)
                if subsampling == "grey":
                    image = image.convert("L")
                else:
                    options["subsampling"] = subsampling
                    name = ["444", "422", "420"][subsampling]
                if kind == "optimised":
                    options["optimize"] = True
                if kind == "progressive":
                    options["progressive"] = True
                if kind == "restarts":
                    options["restart_marker_blocks"] = int(RNG.integers(1, 4))
                file = io.BytesIO()
                image.save(file, "JPEG", **options)
                yield f"pillow-{number:03}-{name}-{quality}-{kind}.jpg", file.getvalue()
                number += 1
    for subsampling in [0, 1, 2]:
        file = io.BytesIO()
        picture(37, 29).convert("CMYK").save(file, "JPEG", quality=80, subsampling=subsampling)
        yield f"pillow-cmyk-{subsampling}.jpg", file.getvalue()
    file = io.BytesIO()
    picture(33, 21).save(file, "JPEG", quality=85, keep_rgb=True)
    yield "pillow-stored-as-rgb.jpg", file.getvalue()


def by_simplejpeg():
    """4:4:0 and 4:1:1, which Pillow does not write."""
    for sampling in ["440", "411"]:
        for quality in [10, 40, 75, 92, 100]:
            for _ in range(6):
                image = np.ascontiguousarray(picture(*size()))
                jpeg = simplejpeg.encode_jpeg(image, quality, colorsubsampling=sampling)
                width, height = image.shape[1], image.shape[0]
                yield f"simplejpeg-{sampling}-{quality}-{width}x{height}.jpg", jpeg


SCANS = {
    # Only the mean of each block: libjpeg smooths from block to block.
    "means": "0,1,2: 0-0, 0, 0;",
    "means-but-one-bit": "0,1,2: 0-0, 0, 1;",
    "few": "0,1,2: 0-0, 0, 1;\n0: 1-5, 0, 2;\n2: 1-63, 0, 1;\n1: 1-63, 0, 1;",
    "without-last-bits": "0,1,2: 0-0, 0, 0;\n0: 1-63, 0, 2;\n1: 1-63, 0, 2;\n2: 1-63, 0, 2;",
}


def cjpeg(image, *options):
    file = io.BytesIO()
    image.save(file, "PPM")
    return subprocess.run(["cjpeg", *options], input=file.getvalue(), capture_output=True, check=True).stdout


def by_cjpeg():
    """Arithmetic coding, samplings that nobody writes on purpose, and progressive files with scans missing."""
    for sampling in ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "3x1", "2x2,2x1,1x2", "2x2,1x2,2x1"]:
        for options in [[], ["-arithmetic"], ["-progressive", "-restart", "1B"]]:
            width, height = size()
            name = "-".join(["cjpeg", sampling.replace(",", "-"), *(o.strip("-") for o in options[:1])])
            image = picture(width, height)
            yield f"{name}.jpg", cjpeg(image, "-quality", "80", "-sample", sampling, *options)
    yield "cjpeg-arithmetic-progressive.jpg", cjpeg(picture(41, 35), "-arithmetic", "-progressive")
    yield "cjpeg-arithmetic-grey.jpg", cjpeg(picture(30, 19).convert("L"), "-arithmetic")
    yield "cjpeg-rgb.jpg", cjpeg(picture(30, 19), "-rgb")
    for name, script in SCANS.items():
        for sampling in ["1x1", "2x2"]:
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
                file.write(script)
                file.flush()
                options = ["-quality", "70", "-sample", sampling, "-scans", file.name]
                jpeg = cjpeg(picture(61, 52), *options)
            yield f"cjpeg-{name}-{sampling}.jpg", jpeg


def main():
    print("Pillow", PIL.__version__, "libjpeg-turbo", features.version("libjpeg_turbo"))
    lines = []
    with zipfile.ZipFile("jpegs.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for make in [by_pillow, by_simplejpeg, by_cjpeg]:
            for name, jpeg in make():
                archive.writestr(zipfile.ZipInfo(name, (2023, 1, 1, 0, 0, 0)), jpeg, zipfile.ZIP_DEFLATED, 9)
                image = Image.open(io.BytesIO(jpeg)).convert("RGB")
                lines.append(f"{name},{image.width},{image.height},{fnv(image.tobytes()):016x}\n")
    with open("jpegs.csv", "w") as file:
        file.write("file,width,height,fnv\n")
        file.writelines(lines)
    print(len(lines), "files")


if __name__ == "__main__":
    main()
