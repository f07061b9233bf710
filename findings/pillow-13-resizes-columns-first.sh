#!/usr/bin/env bash
# Pillow 13 resizes tall pictures in another order than Pillow 12, so their pixels differ.
#
# Pillow 12.0.0 resizes rows first and rounds to whole grey levels in between, then columns. Pillow 13.0.0 begins with
# the columns where that leaves less to do: a noisy picture of 96 × 960 pixels becomes one of 64 × 64 with other
# pixels, by one grey level. A picture of 960 × 96 is the same in both. Preprocessing of images for a network so
# depends on the version of Pillow.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for version in 12.0.0 13.0.0; do
    python3 -m venv "$place/$version"
    "$place/$version/bin/pip" install --quiet numpy "pillow==$version"
    "$place/$version/bin/python" - "$place/$version.npz" <<'PYTHON'
import sys
import numpy as np
from PIL import Image

rng = np.random.default_rng(1)
resized = {}
for name, (width, height) in {"tall": (96, 960), "wide": (960, 96)}.items():
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    resized[name] = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR))
np.savez(sys.argv[1], **resized)
PYTHON
done
"$place/13.0.0/bin/python" - "$place/12.0.0.npz" "$place/13.0.0.npz" <<'PYTHON'
import sys
import numpy as np

old, new = (np.load(path) for path in sys.argv[1:])
for name in ["tall", "wide"]:
    apart = np.abs(old[name].astype(int) - new[name].astype(int))
    print(f"{name}: {np.count_nonzero(apart)} of {apart.size} values differ, at most by {apart.max()}")
tall, wide = (np.abs(old[name].astype(int) - new[name].astype(int)) for name in ["tall", "wide"])
assert np.count_nonzero(tall) > 0 and tall.max() <= 2, tall.max()
assert np.count_nonzero(wide) == 0, wide.max()
PYTHON
echo "as stated"
