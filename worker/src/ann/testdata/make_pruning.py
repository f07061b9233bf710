"""Writes pruning.json: masks that PyTorch's unstructured magnitude pruning makes of small kernels.

    python make_pruning.py > pruning.json

`l1_unstructured` for "layer", each kernel by itself, and `global_unstructured` for "global". No two
weights have the same magnitude, since PyTorch does not say which of equal ones goes.
"""

import json

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

# A convolution (3 × 3 × 2 × 3), a depthwise and a pointwise one, a dense layer, a single weight.
SIZES = [54, 27, 15, 40, 1]
SPARSITIES = [0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 0.8, 0.9, 0.99]


def kernels():
    values = np.random.default_rng(7).normal(size=sum(SIZES)).astype(np.float32)
    assert len(set(np.abs(values))) == len(values)
    return np.split(values, np.cumsum(SIZES)[:-1])


def masks(pruning, sparsity):
    modules = []
    for kernel in kernels():
        module = nn.Module()
        module.weight = nn.Parameter(torch.tensor(kernel))
        modules.append((module, "weight"))
    if pruning == "layer":
        for module, name in modules:
            prune.l1_unstructured(module, name, amount=sparsity)
    else:
        prune.global_unstructured(
            modules, pruning_method=prune.L1Unstructured, amount=sparsity
        )
    return [module.weight_mask.int().tolist() for module, _ in modules]


print(
    json.dumps(
        {
            "pytorch": torch.__version__,
            "kernels": [kernel.tolist() for kernel in kernels()],
            "cases": [
                {
                    "pruning": pruning,
                    "sparsity": sparsity,
                    "masks": masks(pruning, sparsity),
                }
                for pruning in ["layer", "global"]
                for sparsity in SPARSITIES
            ],
        }
    )
)
