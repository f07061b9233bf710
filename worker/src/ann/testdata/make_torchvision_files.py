"""Makes the files that torchvision's networks are tested with. Needs torch, torchvision and safetensors:

    python make_torchvision_files.py

* `torchvision_<network>.json`   a fixture of the whole network, laid out like the Keras ones: layers
                                 are torchvision's node names, weights in the order of `state_dict`,
                                 shapes of weights and layers as Keras has them (HWIO, height ×
                                 width × channels), four sampled elements a layer
* `torchvision_tiny.pth`, `torchvision_tiny.safetensors`   the state of a few layers, as
                                 `torch.save` and `safetensors.torch.save_file` write it
"""

import os
import sys

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from make_keras_files import HERE, draw, save, value

sys.path.insert(0, os.path.join(HERE, "../torch/testdata"))
from make_torch_files import NETWORKS, layers

SAMPLES = 4
VARIABLES = {"running_mean": "moving_mean", "running_var": "moving_variance"}


def keras_tensor(tensor):
    """OIHW to HWIO, depthwise (C, 1, H, W) to (H, W, C, 1), (out, in) to (in, out)."""
    if tensor.ndim == 4:
        depthwise = tensor.shape[1] == 1 and tensor.shape[0] > 1
        return tensor.transpose(2, 3, 0, 1) if depthwise else tensor.transpose(2, 3, 1, 0)
    return tensor.T if tensor.ndim == 2 else tensor


def torch_tensor(tensor):
    if tensor.ndim == 4:
        depthwise = tensor.shape[3] == 1
        return tensor.transpose(2, 3, 0, 1) if depthwise else tensor.transpose(3, 2, 0, 1)
    return tensor.T if tensor.ndim == 2 else tensor


def keras_variable(module, variable, tensor):
    if isinstance(module, nn.BatchNorm2d):
        return {"weight": "gamma", "bias": "beta"}.get(variable) or VARIABLES[variable]
    if variable == "bias":
        return "bias"
    depthwise = tensor.ndim == 4 and tensor.shape[1] == 1
    return "depthwise_kernel" if depthwise else "kernel"


def rebuild(net, seed):
    """Sets every weight by the recipe; returns the weight list."""
    modules = dict(net.named_modules())
    state, weights = {}, []
    for name, tensor in net.state_dict().items():
        layer, variable = name.rsplit(".", 1)
        if variable == "num_batches_tracked":
            continue
        keras = keras_variable(modules[layer], variable, tensor)
        shape = keras_tensor(tensor.numpy()).shape
        drawn = value(seed, len(weights), keras, shape)
        state[name] = torch.from_numpy(np.ascontiguousarray(torch_tensor(drawn)))
        weights.append(
            {"ordinal": len(weights), "layer": layer, "variable": keras, "shape": list(shape)}
        )
    net.load_state_dict(state, strict=False)
    return weights


def extractor(net, nodes):
    """Answers with every node as it was before the next one: nothing may work in place."""
    for module in net.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    extractor = create_feature_extractor(net, nodes)
    for node in extractor.graph.nodes:
        if "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}
    extractor.recompile()
    return extractor


def fixture(net, name, seed):
    net.eval()
    weights = rebuild(net, seed)
    dropped = {n for n, m in net.named_modules() if isinstance(m, nn.Dropout)}
    nodes = [n for n in get_graph_node_names(net)[1][1:] if n not in dropped and "dropout" not in n]
    image = draw(seed, 0xFFFFFF, (224, 224, 3), -1.0, 1.0)
    with torch.no_grad():
        images = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
        answers = extractor(net, nodes)(images)
    layers = []
    for node in nodes:
        answer = answers[node][0].double().numpy()
        if answer.ndim == 3:
            answer = answer.transpose(1, 2, 0)
        flat = answer.reshape(-1)
        at = sorted({(7919 * (i + 1) * 131) % flat.size for i in range(SAMPLES)})
        layers.append(
            {
                "name": node,
                "shape": list(answer.shape),
                "mean": float(flat.mean()),
                "std": float(flat.std()),
                "samples": [[i, float(flat[i])] for i in at],
            }
        )
    kernels = sum(int(np.prod(w["shape"])) for w in weights)
    return {
        "ann": f"{name}-torchvision",
        "source": f"torchvision {torchvision.__version__}",
        "seed": seed,
        "parameters": kernels,
        "input": [224, 224, 3],
        "weights": weights,
        "layers": layers,
    }


def tiny():
    net = layers()
    rebuild(net, 5)
    return net.state_dict()


def main():
    torch.set_num_threads(2)
    for name in NETWORKS:
        net = getattr(torchvision.models, name)(weights=None)
        save(f"torchvision_{name}.json", fixture(net, name, 9))
    state = tiny()
    torch.save(state, os.path.join(HERE, "torchvision_tiny.pth"))
    save_file(state, os.path.join(HERE, "torchvision_tiny.safetensors"))


if __name__ == "__main__":
    main()
