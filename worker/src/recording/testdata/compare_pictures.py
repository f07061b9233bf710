"""Compares pictures of one's own with Pillow: `python compare_pictures.py FOLDER ZIP_OR_PICTURE...`

Copies the pictures to FOLDER, each with Pillow's RGB and its bilinear 64 x 64 as PNGs, and then runs the
test that reads them. Needs Pillow 13.
"""

import io
import os
import subprocess
import sys
import zipfile

import PIL
from PIL import Image

TEST = "cargo test -p nrp-worker --locked --lib -- --ignored --nocapture pictures_of_a_folder"


def pictures(paths):
    for path in paths:
        if path.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if not name.endswith("/"):
                        yield name.replace("/", "-"), archive.read(name)
        else:
            with open(path, "rb") as file:
                yield os.path.basename(path), file.read()


def main():
    assert PIL.__version__.startswith("13."), PIL.__version__
    folder, *paths = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for name, data in pictures(paths):
        try:
            rgb = Image.open(io.BytesIO(data)).convert("RGB")
        except Exception as error:
            print(f"{name}: not read by Pillow: {error}")
            continue
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        rgb.save(os.path.join(folder, f"{name}.rgb.png"))
        rgb.resize((64, 64), Image.BILINEAR).save(os.path.join(folder, f"{name}.64.png"))
    sys.exit(subprocess.run(TEST.split(), env={**os.environ, "NRP_PICTURES": os.path.abspath(folder)}).returncode)


if __name__ == "__main__":
    main()
