#!/usr/bin/env bash
# A kernel that Keras quantised to int8 is the stored kernel divided by `kernel_scale`, not multiplied by it.
#
# In most formats (ONNX, GGUF, PyTorch) a quantised number times its scale is the number. Keras 3.15.1 stores int8
# kernels with the inverse: 127 over the largest weight of each column. Dividing gives the kernel back to half a
# step; multiplying is wrong by the square of the scale, here some 36,000.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet keras==3.15.1 h5py==3.16.0 numpy==2.4.1 scipy==1.17.0 jax==0.8.3 jaxlib==0.8.3
KERAS_BACKEND=numpy KERAS_HOME=$place "$place/venv/bin/python" -W ignore - "$place/net.weights.h5" <<'PYTHON'
import sys
import h5py, keras, numpy as np

keras.utils.set_random_seed(1)
net = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, use_bias=False)])
kernel = np.array(net.layers[0].kernel)
net.quantize("int8")
net.save_weights(sys.argv[1])
stored = []
with h5py.File(sys.argv[1]) as file:
    file.visititems(lambda _, of: stored.append(of[()]) if isinstance(of, h5py.Dataset) else None)
[quantised] = [of for of in stored if of.dtype == np.int8]
[scale] = [of for of in stored if of.dtype == np.float32 and of.shape == (4,)]
divided = np.abs(quantised / scale - kernel).max()
multiplied = np.abs(quantised * scale - kernel).max()
step = (1 / scale).max()
print(f"keras {keras.__version__}: off by {divided:.4f} divided, {multiplied:.0f} multiplied; a step is {step:.4f}")
assert divided <= 0.51 * step, divided
assert multiplied > 1000, multiplied
PYTHON
echo "as stated"
