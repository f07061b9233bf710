#!/bin/sh
# LibTorch for `--features tch`, from the PyTorch wheel:
#   deploy/libtorch.sh cpu|cuda [DIRECTORY]
# creates a virtual environment in DIRECTORY (~/.local/share/nrp-libtorch) with a file `env`, which you source
# before you build nrp and before you run it. It needs python3 with venv. A second run reuses what exists.
set -eu
version=2.9.0
kind=${1:-}
directory=${2:-${XDG_DATA_HOME:-$HOME/.local/share}/nrp-libtorch}
case $kind in
    # PyPI's wheel for Linux has CUDA and runs without a GPU too, but takes 3 GB where this takes 200 MB.
    cpu) index=https://download.pytorch.org/whl/cpu ;;
    cuda) index= ;;
    *) echo "usage: deploy/libtorch.sh cpu|cuda [DIRECTORY]" >&2; exit 2 ;;
esac
[ -x "$directory/bin/pip" ] || python3 -m venv "$directory"
directory=$(cd "$directory" && pwd)
install() { "$directory/bin/pip" install --quiet --disable-pip-version-check --retries 1 "$@"; }
if ! { [ -n "$index" ] && install --index-url "$index" "torch==$version"; }; then
    [ -z "$index" ] || echo "$index cannot be reached; using PyPI's wheel" >&2
    install "torch==$version"
fi
"$directory/bin/python" -W ignore - "$directory" "$version" >"$directory/env.new" <<'PYTHON'
import glob, os, sys, torch
directory, version = sys.argv[1:]
assert torch.__version__.split("+")[0] == version, f"PyTorch is {torch.__version__}"
site = os.path.dirname(os.path.dirname(torch.__file__))
folders = [site + "/torch/lib", *sorted(glob.glob(site + "/nvidia/*/lib"))]
print(f'export PATH="{directory}/bin:$PATH" LIBTORCH_USE_PYTORCH=1')
print(f'export LD_LIBRARY_PATH="{":".join(folders)}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"')
PYTHON
mv "$directory/env.new" "$directory/env"
echo "LibTorch $version is ready; before you build and run:  . $directory/env"
