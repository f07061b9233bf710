"""Writes AVIFs of every kind that is read, `avif-*.zip`, and the hash of what Pillow's `convert("RGB")` makes of each,
`avif-*.csv` (file, width, height, FNV-1a of 64 bits).

Pillow writes 8 bits and one matrix alone, so most files are written by the libavif in imagecodecs, through its C
interface. Needs numpy, Pillow (13.0.0 made these, with libavif 1.4.2, libyuv 1924 and dav1d 1.5.3) and imagecodecs
(2026.3.6). Run from this folder: `python make_avifs.py`.
"""

import ctypes as c
import io

import imagecodecs._avif  # noqa: F401  (loads libavif)
import numpy as np
from PIL import Image

from make_pictures import fnv, write

with open("/proc/self/maps") as maps:
    AVIF = c.CDLL(next(line.split()[-1] for line in maps if "imagecodecs.libs/libavif" in line))
FORMATS = {"444": 1, "422": 2, "420": 3, "400": 4}
SHIFTS = {"444": (0, 0), "422": (1, 0), "420": (1, 1)}
CLAP, IROT, IMIR = 2, 4, 8


class Bytes(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t)]


class Picture(c.Structure):
    """`avifImage`, as far as it is used."""

    _fields_ = [
        *((name, c.c_uint32) for name in ("width", "height", "depth", "format", "range", "position")),
        ("planes", c.c_void_p * 3),
        ("strides", c.c_uint32 * 3),
        ("owns", c.c_int),
        ("alpha", c.c_void_p),
        ("alpha_stride", c.c_uint32),
        ("owns_alpha", c.c_int),
        ("premultiplied", c.c_int),
        ("icc", Bytes),
        *((name, c.c_uint16) for name in ("primaries", "transfer", "matrix")),
        ("light", c.c_uint16 * 2),
        ("transforms", c.c_uint32),
        ("pasp", c.c_uint32 * 2),
        ("clap", c.c_uint32 * 8),
        ("angle", c.c_uint8),
        ("axis", c.c_uint8),
    ]


class Encoder(c.Structure):
    """`avifEncoder`, as far as it is used."""

    _fields_ = [
        *((name, c.c_int) for name in ("codec", "threads", "speed", "keyframes")),
        ("timescale", c.c_uint64),
        *((name, c.c_int) for name in ("repetitions", "layers", "quality", "alpha_quality")),
    ]


AVIF.avifImageCreate.restype = c.POINTER(Picture)
AVIF.avifEncoderCreate.restype = c.POINTER(Encoder)


def checked(result):
    assert result == 0, result


def put(place, stride, numbers):
    for row, line in enumerate(numbers):
        c.memmove(place + row * stride, line.tobytes(), line.nbytes)


def waves(rng, width, height, depth):
    """Slopes and noise that use the whole range."""
    y, x = np.mgrid[0:height, 0:width]
    one, two, start = rng.uniform(2, 9, 3)
    wave = 0.5 + 0.45 * np.sin(x / one + start) * np.cos(y / two) + rng.normal(0, 0.05, (height, width))
    return (wave * (2**depth - 1)).clip(0, 2**depth - 1).astype(np.uint8 if depth == 8 else np.uint16)


def picture(seed, size, depth, form, full, matrix=6, primaries=1, alpha=False, **fields):
    rng = np.random.default_rng(seed)
    width, height = size
    image = AVIF.avifImageCreate(width, height, depth, FORMATS[form])
    of = image.contents
    of.range, of.matrix, of.primaries, of.transfer = full, matrix, primaries, 13
    for name, value in fields.items():
        setattr(of, name, value)
    checked(AVIF.avifImageAllocatePlanes(image, 255 if alpha else 1))
    put(of.planes[0], of.strides[0], waves(rng, width, height, depth))
    if form != "400":
        across, down = SHIFTS[form]
        for plane in (1, 2):
            sides = -(-width // 2**across), -(-height // 2**down)
            put(of.planes[plane], of.strides[plane], waves(rng, *sides, depth))
    if alpha:
        numbers = waves(rng, width, height, depth)
        # None, the least, the most.
        numbers[0, :3] = 0, 1, 2**depth - 1
        put(of.alpha, of.alpha_stride, numbers)
    return image


def encoded(images, columns=1, quality=40):
    encoder = AVIF.avifEncoderCreate()
    of = encoder.contents
    of.threads, of.speed, of.quality, of.alpha_quality = 1, 6, quality, 90
    if len(images) == 1:
        checked(AVIF.avifEncoderAddImage(encoder, images[0], c.c_uint64(1), 2))
    else:
        cells = (c.POINTER(Picture) * len(images))(*images)
        checked(AVIF.avifEncoderAddImageGrid(encoder, columns, len(images) // columns, cells, 2))
    output = Bytes()
    checked(AVIF.avifEncoderFinish(encoder, c.byref(output)))
    data = c.string_at(output.data, output.size)
    AVIF.avifEncoderDestroy(encoder)
    return data


def one(seed, size, *arguments, quality=40, **fields):
    return encoded([picture(seed, size, *arguments, **fields)], quality=quality)


def kinds():
    """Every depth, sampling and range, with and without alpha, in odd and even sizes."""
    sizes = [(19, 13), (16, 10), (11, 16), (34, 5), (1, 1), (2, 3)]
    seed = 0
    for depth in (8, 10, 12):
        for form in FORMATS:
            for full in (1, 0):
                for alpha in (False, True):
                    size = sizes[seed % 4]
                    name = f"{depth}-{form}-{'full' if full else 'limited'}{'-alpha' if alpha else ''}.avif"
                    yield name, one(seed, size, depth, form, full, alpha=alpha)
                    seed += 1
    for seed, size in enumerate(sizes[4:]):
        yield f"tiny-{seed}.avif", one(seed, size, 8, "420", 1)


def matrices():
    """Other matrices, by libyuv and by libavif."""
    size = (18, 11)
    for seed, (matrix, form, full) in enumerate(
        [
            (1, "420", 1), (1, "444", 0), (9, "422", 1), (9, "420", 0), (2, "420", 1),
            (0, "444", 1), (0, "444", 0), (4, "420", 1), (4, "444", 0), (7, "422", 0),
            (7, "444", 1), (8, "444", 1), (8, "420", 1), (8, "400", 1),
        ]
    ):  # fmt: skip
        yield f"matrix-{matrix}-{form}-{full}.avif", one(seed, size, 8, form, full, matrix)
    for depth in (10, 12):
        for matrix, form in [(0, "444"), (8, "422"), (4, "420"), (9, "420")]:
            yield f"matrix-{matrix}-{form}-{depth}.avif", one(depth, size, depth, form, 1, matrix)
    for matrix, full in [(1, 0), (4, 1), (7, 0), (8, 1), (9, 1)]:
        for depth in (8, 10):
            data = one(matrix, size, depth, "400", full, matrix, alpha=True, premultiplied=depth == 8)
            yield f"matrix-{matrix}-400-{depth}-alpha.avif", data
    for seed, (primaries, full) in enumerate([(1, 1), (6, 0), (9, 1), (2, 0)]):
        yield f"derived-{primaries}.avif", one(seed, size, 8, "420", full, 12, primaries)


def multiplied():
    """Colours that were multiplied by alpha."""
    size = (24, 17)
    for depth in (8, 10, 12):
        for form in FORMATS:
            data = one(depth, size, depth, form, 1, alpha=True, premultiplied=1)
            yield f"multiplied-{depth}-{form}.avif", data
    for matrix, form, full in [(0, "444", 1), (0, "444", 0), (4, "444", 1), (8, "420", 1), (9, "420", 0)]:
        data = one(matrix, size, 8, form, full, matrix, alpha=True, premultiplied=1)
        yield f"multiplied-{matrix}-{form}-{full}.avif", data


def containers():
    """Turned, cropped, in tiles, in sequences, and without or against what the stream says."""
    size = (20, 14)
    for angle in (1, 2, 3):
        yield f"turned-{angle}.avif", one(angle, size, 8, "420", 1, transforms=IROT, angle=angle)
    yield "mirrored.avif", one(4, size, 8, "444", 1, transforms=IMIR, axis=1)
    clap = (c.c_uint32 * 8)(12, 1, 8, 1, 0, 1, 0, 1)
    yield "cropped.avif", one(5, size, 8, "444", 1, transforms=CLAP, clap=clap)
    for name, (depth, form, alpha, multiplied) in {
        "grid": (8, "420", False, 0),
        "grid-alpha": (10, "444", True, 0),
        "grid-multiplied": (8, "422", True, 1),
    }.items():
        tiles = [
            picture(seed, sides, depth, form, 1, alpha=alpha, premultiplied=multiplied)
            for seed, sides in enumerate([(64, 64), (38, 64), (64, 22), (38, 22)])
        ]
        yield f"{name}.avif", encoded(tiles, columns=2, quality=5)
    plain = one(6, size, 8, "420", 0, 1)
    place = plain.index(b"colrnclx")
    yield "no-meaning.avif", plain.replace(b"colr", b"free")
    other = bytearray(plain)
    other[place + 13], other[place + 14] = 6, 0x80
    yield "other-meaning.avif", bytes(other)
    yield "no-brand.avif", plain.replace(b"ftypavif", b"ftypmif1")


def by_pillow():
    """What Pillow itself writes."""
    rng = np.random.default_rng(8)
    rgb = np.stack([waves(rng, 26, 18, 8) for _ in range(4)], -1)
    frames = [Image.fromarray(rgb[::step]) for step in (1, -1)]
    opaque = [frame.convert("RGB") for frame in frames]

    def saved(image, **more):
        file = io.BytesIO()
        image.save(file, "AVIF", **{"quality": 60, "max_threads": 1, **more})
        return file.getvalue()

    yield "pillow.avif", saved(opaque[0])
    yield "pillow-grey.avif", saved(opaque[0].convert("L"))
    yield "pillow-alpha.avif", saved(frames[0])
    yield "pillow-multiplied.avif", saved(frames[0], alpha_premultiplied=True)
    yield "pillow-limited.avif", saved(opaque[0], range="limited", subsampling="4:2:2")
    yield "pillow-turned.avif", saved(opaque[0], exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    yield "pillow-best.avif", saved(opaque[0], subsampling="4:4:4", quality=100)
    yield "pillow-grain.avif", saved(opaque[0], advanced={"film-grain-test": "2"})
    yield "sequence.avif", saved(opaque[0], save_all=True, append_images=opaque[1:])
    yield "sequence-alpha.avif", saved(frames[0], save_all=True, append_images=frames[1:])
    yield "sequence-multiplied.avif", saved(
        frames[0], save_all=True, append_images=frames[1:], alpha_premultiplied=True
    )


if __name__ == "__main__":
    for name, files in {
        "avif-kinds": kinds(),
        "avif-matrices": matrices(),
        "avif-multiplied": multiplied(),
        "avif-containers": [*containers(), *by_pillow()],
    }.items():
        write(name, files, "fnv", lambda pixels: f"{fnv(pixels):016x}")
