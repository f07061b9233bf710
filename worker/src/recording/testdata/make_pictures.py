"""Writes images in the modes and formats people have, with what Pillow's `convert("RGB")` makes of
each: `stored.zip` and `stored.csv` (file, width, height, pixels), and, for more of TIFF, WebP, JPEG
2000, BMP and GIF, `formats.zip` and `formats.csv` (file, width, height, FNV-1a of 64 bits).

Needs numpy, Pillow (13.0.0 made these) and tifffile with imagecodecs (2026.3.3, 2026.3.6); run from this
folder: `python make_pictures.py`. All formats must agree to the last bit.
"""

import io
import struct
import zipfile
import zlib

import numpy as np
import PIL
import tifffile
from PIL import Image

RNG = np.random.default_rng(7)
H, W = 5, 6
RGB = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (H, W, 1), dtype=np.uint8)
# 16-bit values on both sides of 255.
DEEP = RNG.integers(0, 65536, (H, W, 4), dtype=np.uint16)
DEEP[0, :3] = [[0, 128, 255, 256], [127, 254, 257, 511], [1, 2, 383, 65535]]
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


def tiff(array, **options):
    """A TIFF of a layout that Pillow does not write."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, **options)
    return buffer.getvalue()


def more_tiffs():
    """Palettes, alpha channels, YCbCr, planes, tiles, byte orders, predictors, Big."""
    rng = np.random.default_rng(18)
    wide = rng.integers(0, 256, (18, 21, 3), dtype=np.uint8)
    big = Image.fromarray(wide)
    smooth = Image.fromarray(np.kron(SMOOTH, np.ones((3, 2, 1), np.uint8))[:41, :45])
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"]:
        short = compression.split("_")[-1]
        yield f"{short}.tif", saved(big, "TIFF", compression=compression)
        yield f"{short}-palette.tif", saved(big.quantize(200), "TIFF", compression=compression)
        yield f"{short}-big.tif", saved(big, "TIFF", compression=compression, big_tiff=True)
        yield f"{short}-grey.tif", saved(big.convert("L"), "TIFF", compression=compression)
    for compression in ["group3", "group4", "tiff_lzw"]:
        yield f"{compression}-bilevel.tif", saved(big.convert("1"), "TIFF", compression=compression)
    yield "ycbcr.tif", saved(big.convert("YCbCr"), "TIFF")
    for compression in ["lzw", "adobe_deflate"]:
        ycbcr = np.asarray(big.convert("YCbCr"))
        options = {"photometric": "ycbcr", "compression": compression, "subsampling": (1, 1)}
        yield f"ycbcr-{compression}.tif", tiff(ycbcr, **options)
        # Video's range and coefficients.
        range_of_video = (532, "2I", 6, (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1))
        coefficients = (529, "2I", 3, (2126, 10000, 7152, 10000, 722, 10000))
        tags = [(*range_of_video, True), (*coefficients, True)]
        yield f"ycbcr-video-{compression}.tif", tiff(ycbcr, extratags=tags, **options)
    for subsampling in [(1, 1), (2, 1), (2, 2)]:
        name = "".join(map(str, subsampling))
        options = {"compression": "jpeg", "compressionargs": {"level": 85}, "subsampling": subsampling}
        options |= {"photometric": "ycbcr"}
        array = np.asarray(smooth)
        yield f"jpeg-{name}.tif", tiff(array, **options, rowsperstrip=16)
        yield f"jpeg-{name}-tiled.tif", tiff(array, **options, tile=(32, 32))
    yield "jpeg-by-pillow.tif", saved(smooth, "TIFF", compression="jpeg", quality=80)
    yield "jpeg-grey-by-pillow.tif", saved(smooth.convert("L"), "TIFF", compression="jpeg", quality=80)
    yield "jpeg-cmyk-by-pillow.tif", saved(smooth.convert("CMYK"), "TIFF", compression="jpeg", quality=80)
    yield "jpeg-rgb.tif", tiff(np.asarray(smooth), compression="jpeg", photometric="rgb")
    yield "turned-8.tif", saved(big, "TIFF", tiffinfo={274: 8})
    yield "turned-2.tif", saved(big, "TIFF", tiffinfo={274: 2})
    for order in "<>":
        name = {"<": "little", ">": "big"}[order]
        deep = rng.integers(0, 65536, (13, 17, 4), dtype=np.uint16).astype(order + "u2")
        deep[0, :6, 0] = [0, 128, 254, 255, 256, 257]
        yield f"deep-rgb-{name}.tif", tiff(deep[..., :3], photometric="rgb", byteorder=order)
        yield f"deep-grey-{name}.tif", tiff(deep[..., 0], photometric="minisblack", byteorder=order)
        for predictor in [False, True]:
            options = {"byteorder": order, "compression": "lzw", "predictor": predictor}
            yield f"deep-predictor-{predictor}-{name}.tif", tiff(deep[..., :3], photometric="rgb", **options)
            yield f"tiled-predictor-{predictor}-{name}.tif", tiff(wide, photometric="rgb", tile=(16, 16), **options)
        planes = np.moveaxis(wide, -1, 0)
        yield f"planes-{name}.tif", tiff(planes, photometric="rgb", planarconfig="separate", byteorder=order)
        yield f"planes-tiled-{name}.tif", tiff(
            planes, photometric="rgb", planarconfig="separate", byteorder=order, tile=(16, 16), compression="zstd"
        )
        yield f"white-is-zero-{name}.tif", tiff(wide[..., 0], photometric="miniswhite", byteorder=order)
        yield f"deep-cmyk-{name}.tif", tiff(deep, photometric="separated", byteorder=order)
    four = rng.integers(0, 256, (13, 17, 5), dtype=np.uint8)
    for extra in ["unassalpha", "assocalpha", "unspecified"]:
        yield f"rgb-{extra}.tif", tiff(four[..., :4], photometric="rgb", extrasamples=[extra])
        if extra != "assocalpha":
            yield f"grey-{extra}.tif", tiff(four[..., :2], photometric="minisblack", extrasamples=[extra])
    yield "rgb-two-more.tif", tiff(four, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    yield "deep-rgb-assocalpha.tif", tiff(
        four[..., :4].astype(np.uint16) * 257, photometric="rgb", extrasamples=["assocalpha"]
    )
    for bits in (2, 4):
        yield f"palette-{bits}.tif", saved(big.quantize(1 << bits), "TIFF", bits=bits)


def more_webps():
    """Lossy, whose decoder is defined to the bit but for chroma; with alpha; odd sides."""
    rng = np.random.default_rng(19)
    for width, height in [(1, 1), (2, 3), (7, 5), (16, 16), (33, 17), (48, 31)]:
        noise = rng.normal(128, 60, (height // 4 + 1, width // 4 + 1, 3))
        array = np.kron(noise, np.ones((4, 4, 1)))[:height, :width]
        image = Image.fromarray(array.clip(0, 255).astype(np.uint8))
        for quality in [10, 60, 95]:
            yield f"lossy-{width}x{height}-{quality}.webp", saved(image, "WEBP", quality=quality)
        alpha = Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8))
        image.putalpha(alpha)
        yield f"lossy-{width}x{height}-alpha.webp", saved(image, "WEBP", quality=70, exact=True)


def jpeg_2000s():
    """Grey and RGB, with and without alpha, in a container and without; tiles and few resolutions."""
    rng = np.random.default_rng(20)
    image = Image.fromarray(rng.integers(0, 256, (19, 23, 3), dtype=np.uint8))
    rgba = image.copy()
    rgba.putalpha(image.convert("L"))
    smooth = Image.fromarray(SMOOTH)
    for name, picture in {"rgb": image, "grey": image.convert("L"), "rgba": rgba, "grey-alpha": rgba.convert("LA")}.items():
        yield f"{name}.jp2", saved(picture, "JPEG2000")
        yield f"{name}.j2k", saved(picture, "JPEG2000", no_jp2=True)
    yield "tiled.jp2", saved(image, "JPEG2000", tile_size=(16, 16), num_resolutions=2)
    yield "no-transform.jp2", saved(image, "JPEG2000", num_resolutions=1)
    yield "small.jp2", saved(smooth.resize((3, 2)), "JPEG2000")
    yield "few-layers.jp2", saved(image, "JPEG2000", quality_layers=[20, 8])
    yield "irreversible.jp2", saved(image, "JPEG2000", irreversible=True)
    yield "mct-off.jp2", saved(image, "JPEG2000", mct=0)


def bmp(bits, masks, size, pixels, colours=b"", compression=3):
    """A BMP that Pillow does not write; it has masks where it is compressed by them."""
    head = struct.pack("<IiiHHIIiiII", 40, *size, 1, bits, compression, 0, 0, 0, len(colours) // 4, 0)
    head += struct.pack("<3I", *masks) if compression == 3 else colours
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def gif(size, frame, extension=b""):
    """A GIF of one picture at `frame` (left, top, width, height)."""
    rng = np.random.default_rng(22)
    image = Image.fromarray(rng.integers(0, 8, frame[3:1:-1], dtype=np.uint8), "P")
    image.putpalette([5, 90, 250, *range(30, 51)])
    data = saved(image, "GIF", optimize=False)
    flags = data[10]
    table = 3 << ((flags & 7) + 1)
    at = data.index(b",", 13 + table)
    first = b"," + struct.pack("<4H", *frame) + data[at + 9 :]
    return b"GIF89a" + struct.pack("<2H", *size) + data[10 : 13 + table] + extension + first


def bmps_and_gifs():
    """BMPs of 16 bits and of runs; GIFs whose picture is as large as the screen, and those not."""
    number = np.arange(2048)
    # Every value of each colour.
    every = (number * 32 + number % 32).astype("<u2").tobytes()
    yield "555.bmp", bmp(16, (), (32, 64), every, compression=0)
    yield "555-masks.bmp", bmp(16, (0x7C00, 0x3E0, 0x1F), (32, 64), every)
    yield "565.bmp", bmp(16, (0xF800, 0x7E0, 0x1F), (32, 64), every)
    yield "565-odd.bmp", bmp(16, (0xF800, 0x7E0, 0x1F), (31, -7), every[: 64 * 7])
    colours = b"".join(bytes([40 * i, 200 - i, 7 * i, 0]) for i in range(5))
    whole = bytes([3, 1, 0, 3, 2, 3, 4, 0, 0, 0, 6, 4, 0, 0, 0, 4, 1, 2, 3, 0, 2, 4, 0, 1])
    yield "runs.bmp", bmp(8, (), (6, 3), whole, colours, 1)
    halves = bytes([3, 0x12, 0, 3, 0x23, 0x40, 0, 0, 6, 0x43, 0, 1])
    yield "runs-4.bmp", bmp(4, (), (6, 2), halves, colours, 2)
    gaps = bytes([3, 1, 0, 0, 6, 4, 0, 0, 2, 3, 0, 2, 2, 0, 2, 4, 0, 1])
    yield "runs-gaps.bmp", bmp(8, (), (6, 3), gaps, colours, 1)
    comment = b"!\xfe\x03abc\x02de\x00"
    yield "screen.gif", gif((9, 7), (0, 0, 9, 7), comment)
    transparent = b"!\xf9\x04\x01\x00\x00\x02\x00"
    yield "smaller.gif", gif((9, 7), (2, 1, 4, 3))
    yield "smaller-transparent.gif", gif((9, 7), (0, 0, 9, 6), comment + transparent)
    yield "beyond.gif", gif((9, 7), (0, 0, 9, 8))


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def write(name, files, column, summary):
    lines = [f"file,width,height,{column}\n"]
    with zipfile.ZipFile(f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in files:
            archive.writestr(zipfile.ZipInfo(file, (2023, 1, 1, 0, 0, 0)), data)
            image = Image.open(io.BytesIO(data))
            mode, converted = image.mode, image.convert("RGB")
            print(file, mode)
            lines.append(f"{file},{converted.width},{converted.height},{summary(converted.tobytes())}\n")
    with open(f"{name}.csv", "w") as file:
        file.writelines(lines)


def main():
    print("Pillow", PIL.__version__)
    write("stored", files(), "rgb_hex", bytes.hex)
    more = [*more_tiffs(), *more_webps(), *jpeg_2000s(), *bmps_and_gifs()]
    write("formats", more, "fnv", lambda pixels: f"{fnv(pixels):016x}")


if __name__ == "__main__":
    main()
