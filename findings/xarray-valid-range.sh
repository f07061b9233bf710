#!/usr/bin/env bash
# xarray does not mask numbers outside `valid_range`; netCDF4 does.
#
# A variable with `valid_range = [0, 100]` holds 5, 50 and 500. netCDF4 1.7.5 returns 500 as missing. xarray
# 2026.9.0 returns it as a number, with `valid_range` among the attributes. So the same file has two means, by the
# library that reads it. CF 1.12, section 2.5.1, says that values outside the range should be treated as missing.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet xarray==2026.9.0 netCDF4==1.7.5
"$place/venv/bin/python" - "$place/file.nc" <<'PYTHON'
import sys
import netCDF4, numpy as np, xarray as xr

path = sys.argv[1]
with netCDF4.Dataset(path, "w") as file:
    file.createDimension("x", 3)
    variable = file.createVariable("v", "f8", ("x",))
    variable.valid_range = np.array([0.0, 100.0])
    variable[:] = [5.0, 50.0, 500.0]
with netCDF4.Dataset(path) as file:
    masked = np.ma.getmaskarray(file["v"][:]).tolist()
with xr.open_dataset(path) as file:
    values = file["v"].values.tolist()
print(f"netCDF4 {netCDF4.__version__}: masked {masked}")
print(f"xarray {xr.__version__}: {values}")
assert masked == [False, False, True], masked
assert values == [5.0, 50.0, 500.0], values
PYTHON
echo "as stated"
