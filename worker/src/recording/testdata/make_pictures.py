"""Writes images in the modes and formats people have, with what Pillow's `convert("RGB")` makes of
each: `stored.zip` and `stored.csv` (file, largest difference allowed, width, height, pixels).

Needs numpy and Pillow (13.0.0 made these); run from this folder: `python make_pictures.py`.
Lossless formats must agree to the last bit. JPEG decoders may round differently.
"""

import io
import struct
import zipfile
import zlib

import numpy as np
import PIL
from PIL import Image

RNG = np.random.default_rng(7)
H, W = 5, 6
RGB = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (H, W, 1), dtype=np.uint8)
# 16-bit values on both sides of 255.
DEEP = RNG.integers(0, 65536, (H, W, 4), dtype=np.uint16)
DEEP[0, :3] = [[0, 128, 255, 256], [127, 254, 257, 511], [1, 2, 383, 65535]]
# JPEG: smooth, so that what differs is rounding and not the method of upsampling.
Y, X = np.mgrid[0:16, 0:24]
SMOOTH = np.stack([10 * X, 250 - 15 * Y, 5 * X + 6 * Y], axis=2).astype(np.uint8)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(array, colour, depth, chunks=()):
    """A PNG of a colour type and depth that Pillow does not write; rows of whole bytes."""
    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", W, H, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(*c) for c in chunks)]
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def packed(values, bits):
    """Rows of `bits`-wide values as bytes."""
    rows = []
    for row in values:
        text = "".join(format(value, f"0{bits}b") for value in row)
        rows.append([int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8)])
    return np.array(rows, np.uint8)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def files():
    rgb = Image.fromarray(RGB)
    rgba = Image.fromarray(np.concatenate([RGB, ALPHA], axis=2))
    grey, palette, bilevel = rgb.convert("L"), rgb.quantize(8), rgb.convert("1")
    deep = Image.fromarray(DEEP[:, :, 0])
    small = RNG.integers(0, 16, (H, W))
    yield "grey-16.png", saved(deep, "PNG")
    yield "rgb-16.png", png(DEEP[:, :, :3].reshape(H, -1), 2, 16)
    yield "rgba-16.png", png(DEEP.reshape(H, -1), 6, 16)
    yield "grey-alpha-16.png", png(DEEP[:, :, :2].reshape(H, -1), 4, 16)
    yield "grey-16-transparent.png", png(DEEP[:, :, 0], 0, 16, [(b"tRNS", b"\x00\x00")])
    for bits in (1, 2, 4):
        yield f"grey-{bits}.png", png(packed(small % (1 << bits), bits), 0, bits)
        transparent = [(b"tRNS", b"\x00\x01")]
        yield f"grey-{bits}-transparent.png", png(packed(small % (1 << bits), bits), 0, bits, transparent)
    yield "grey-transparent.png", saved(grey, "PNG", transparency=int(np.asarray(grey)[0, 0]))
    yield "rgb-transparent.png", saved(rgb, "PNG", transparency=tuple(int(v) for v in RGB[0, 0]))
    yield "palette-transparent.png", saved(palette, "PNG", transparency=bytes([0, 128, 255]))
    yield "palette-one-transparent.png", saved(palette, "PNG", transparency=2)
    yield "grey-alpha.png", saved(rgba.convert("LA"), "PNG")
    yield "turned.png", saved(rgb, "PNG", exif=exif(6))

    for name, image in {"grey": grey, "rgb": rgb, "palette": palette, "bilevel": bilevel}.items():
        yield f"{name}.bmp", saved(image, "BMP")
        yield f"{name}.gif", saved(image, "GIF")
    yield "rgba.bmp", saved(rgba, "BMP")
    yield "transparent.gif", saved(palette, "GIF", transparency=1)
    other = Image.fromarray(255 - RGB).quantize(8)
    yield "moving.gif", saved(palette, "GIF", save_all=True, append_images=[other])

    modes = {
        "grey": grey,
        "rgb": rgb,
        "rgba": rgba,
        "palette": palette,
        "bilevel": bilevel,
        "grey-alpha": rgba.convert("LA"),
        "cmyk": rgb.convert("CMYK"),
        "grey-16": deep,
        "grey-32": Image.fromarray(DEEP[:, :, 0].astype(np.int32) - 300),
        "float": Image.fromarray(DEEP[:, :, 0].astype(np.float32) / 2 - 100),
    }
    for name, image in modes.items():
        yield f"{name}.tif", saved(image, "TIFF")
    yield "lzw.tif", saved(rgb, "TIFF", compression="tiff_lzw")
    yield "turned.tif", saved(rgb, "TIFF", tiffinfo={274: 6})
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "lossless-alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True)

    smooth = Image.fromarray(SMOOTH)
    yield "grey.jpg", saved(smooth.convert("L"), "JPEG", quality=90)
    yield "rgb-444.jpg", saved(smooth, "JPEG", quality=90, subsampling=0)
    yield "rgb-420.jpg", saved(smooth, "JPEG", quality=90, subsampling=2)
    yield "progressive.jpg", saved(smooth, "JPEG", quality=90, subsampling=0, progressive=True)
    yield "turned.jpg", saved(smooth, "JPEG", quality=90, subsampling=0, exif=exif(6))
    cmyk = saved(smooth.convert("CMYK"), "JPEG", quality=90)
    yield "cmyk.jpg", cmyk
    # The same samples declared as YCCK: Adobe's transform flag, the last byte of its segment.
    at = cmyk.index(b"Adobe") + 11
    yield "ycck.jpg", cmyk[:at] + b"\x02" + cmyk[at + 1 :]
    # And without Adobe's segment, whose mere presence says that the inks are inverted.
    yield "plain-cmyk.jpg", cmyk[: at - 15] + cmyk[at + 1 :]


def allowed(name):
    return 3 if name.endswith(".jpg") else 0


def main():
    print("Pillow", PIL.__version__)
    lines = []
    with zipfile.ZipFile("stored.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files():
            archive.writestr(zipfile.ZipInfo(name, (2023, 1, 1, 0, 0, 0)), data)
            image = Image.open(io.BytesIO(data))
            mode, converted = image.mode, image.convert("RGB")
            print(name, mode)
            pixels = np.asarray(converted).tobytes().hex()
            lines.append(f"{name},{allowed(name)},{converted.width},{converted.height},{pixels}\n")
    with open("stored.csv", "w") as file:
        file.write("file,difference,width,height,rgb_hex\n")
        file.writelines(lines)


if __name__ == "__main__":
    main()
