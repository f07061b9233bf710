"""Small ONNX nets and their activations, made by PyTorch: python3 make_onnx.py

conv.onnx     convolutions, batch norm, a residual and a classifier; any batch, height and width
              fixed; by the TorchScript exporter. Height and width differ, so that no axis is
              mistaken for another.
attention.onnx  patches, a class token, one transformer block; a batch of one; by the TorchScript
              exporter
last.onnx     conv.onnx's first layers for channels last, with any batch, height and width
outside.onnx  conv.onnx with its weights in outside.onnx.data
odd.onnx      two nodes of one name, sizes, a constant, and an operation that nobody knows
onnx.json     for each net, activations by PyTorch: tensor, shape, values, of the image
              ((7·i + 3) mod 256) / 255 − 0.5, i counting height, width, channels row by row

Needs torch 2.9, onnx.
"""

import json
import pathlib

import numpy as np
import onnx
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.inner = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.head = nn.Linear(4, 5)

    def layers(self, image):
        stem = self.norm(self.stem(image))
        relu = torch.relu(stem)
        inner = self.inner(relu)
        both = torch.relu(inner + relu)
        pool = torch.nn.functional.max_pool2d(both, 2)
        head = self.head(pool.mean((2, 3)))
        return {"relu": relu, "inner": inner, "both": both, "pool": pool, "head": head}

    def forward(self, image):
        return self.layers(image)["head"]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 7, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def layers(self, image):
        patches = self.patches(image)
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], 1) + self.position
        normed = self.norm(tokens)
        attended = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        block = attended + self.mlp(attended)
        return {"patches": patches, "normed": normed, "attended": attended, "block": block}

    def forward(self, image):
        layers = self.layers(image)
        return layers["block"][:, 0]


class ChannelsLast(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        return torch.relu(self.net.stem(image.permute(0, 3, 1, 2)))


def odd():
    """A graph with tensors that are no layers."""
    node = onnx.helper.make_node
    nodes = [
        node("Relu", ["image"], ["first"], name="twin"),
        node("Neg", ["first"], ["second"], name="twin"),
        node("Shape", ["second"], ["sizes"], name="shape"),
        node("Constant", [], ["one"], name="constant", value_float=1.0),
        node("Add", ["second", "one"], ["sum"], name="add"),
        node("Strange", ["sum"], ["strange"], name="unknown"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "odd",
        [value("image", onnx.TensorProto.FLOAT, ["batch", 3, 4, 4])],
        [value("strange", onnx.TensorProto.FLOAT, None)],
    )
    operators = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=operators), HERE / "odd.onnx")


def image(height, width):
    values = (7 * np.arange(height * width * 3) + 3) % 256 / 255 - 0.5
    values = values.astype(np.float32).reshape(1, height, width, 3)
    return torch.from_numpy(values)


def export(net, image, name, dynamic):
    path = HERE / name
    torch.onnx.export(
        net, (image,), path, dynamo=False, opset_version=17, input_names=["image"],
        output_names=["out"], dynamic_axes={"image": dynamic} if dynamic else None,
        do_constant_folding=True,
    )
    model = onnx.load(path)
    onnx.checker.check_model(model)
    return model


def tensor_of(model, values, inputs):
    """The name of the tensor that holds `values`; several may, the first is taken."""
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output]
    known = {output.name for output in probe.graph.output}
    probe.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    answers = zip(names, session.run(names, {"image": inputs}))
    for name, answer in answers:
        if answer.shape == values.shape and np.allclose(answer, values, atol=1e-5):
            return name
    raise ValueError("no tensor holds the layer's values")


def reference(model, layers, inputs):
    found = {}
    for layer, values in layers.items():
        values = values.detach().numpy()
        found[layer] = {
            "tensor": tensor_of(model, values, inputs.numpy()),
            "shape": list(values.shape[1:]),
            "values": [float(value) for value in values.ravel()],
        }
    return found


def main():
    torch.manual_seed(1)
    odd()
    conv = Conv().eval()
    conv.norm.running_mean.normal_(0, 0.1)
    conv.norm.running_var.uniform_(0.5, 1.5)
    attention = Attention().eval()
    first = lambda last: last.permute(0, 3, 1, 2).contiguous()  # noqa: E731
    references = {}

    wide = image(8, 12)
    model = export(conv, first(wide), "conv.onnx", {0: "batch"})
    references["conv.onnx"] = reference(model, conv.layers(first(wide)), first(wide))
    (HERE / "outside.onnx.data").unlink(missing_ok=True)
    onnx.save(
        model, HERE / "outside.onnx", save_as_external_data=True, location="outside.onnx.data",
        size_threshold=0,
    )

    model = export(attention, first(wide), "attention.onnx", None)
    references["attention.onnx"] = reference(model, attention.layers(first(wide)), first(wide))

    last = ChannelsLast(conv).eval()
    model = export(last, wide, "last.onnx", {0: "batch", 1: "height", 2: "width"})
    # 224 × 224, where the graph leaves it open.
    size = image(224, 224)
    values = last(size).detach().numpy()
    # Of so many values, some from everywhere.
    references["last.onnx"] = {
        "relu": {"tensor": "out", "shape": list(values.shape[1:]), "step": 997,
                 "values": [float(value) for value in values.ravel()[::997]]}
    }
    (HERE / "onnx.json").write_text(json.dumps(references) + "\n")


if __name__ == "__main__":
    main()
