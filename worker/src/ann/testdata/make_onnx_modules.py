"""Makes the ONNX files that show PyTorch's names of layers, and the operations that nrp computes itself.

    python3 make_onnx_modules.py

blocks.onnx       two residual blocks whose ReLU is called twice each, with a fixed batch of one, by the
                  default exporter
returns.onnx      an LSTM that returns a sequence and its last state, both read; and a module `relu` that
                  is not the first ReLU
attention_kinds.onnx  `Attention` with two kinds of heads, masks (also of queries that see no key), a scale, and
                  on three and four axes, in 32 and in 16 bits; `ConstantOfShape` without a value
halves.onnx       operations on 16-bit floats, and `Pad` that crops
halves_deep.onnx  a chain of them, of which onnxruntime rounds few results, and one that it rounds on the way
numbers.onnx      64-bit integers, of both signs; `LogSoftmax` and `Softplus` of large numbers; `QuantizeLinear`
                  of halves; `Einsum` with ellipses; `Resize` to corners
unsupported.onnx  operations that are not ONNX's although their names are, one in training mode, such as tract
                  would compute with other attributes, and such as fail when they run, on noise or on
                  an image of one colour
sizes.onnx        operations that make more values of a few numbers than a tensor may have, and such as do together
batch.onnx        a fixed batch of three, with shapes that contain it, and a tensor that mixes stimuli
onnx_modules.json  for blocks.onnx and returns.onnx, what each module returns at its last call (PyTorch);
                  for attention_kinds.onnx, halves.onnx and numbers.onnx, each tensor (onnxruntime), for
                  halves_deep.onnx its outputs alone; for batch.onnx, each tensor's first stimulus; of
                  make_onnx.py's image

Needs torch 2.15, onnx 1.23, onnxscript, onnxruntime 1.32.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

HERE = pathlib.Path(__file__).parent
HEIGHT, WIDTH = 8, 12


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, inputs):
        hidden = self.relu(self.bn1(self.conv1(inputs)))
        return self.relu(self.bn2(self.conv2(hidden)) + inputs)


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(Block(4), Block(4))
        self.fc = nn.Linear(4, 5)

    def forward(self, image):
        hidden = self.layer1(self.relu(self.conv1(image)))
        return self.fc(hidden.mean((2, 3)))


class Returns(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.ReLU())
        self.lstm = nn.LSTM(12, 6, batch_first=True)
        self.relu = nn.ReLU()

    def forward(self, image):
        rows = self.first(image).permute(0, 2, 1, 3).flatten(2)
        sequence, (state, _) = self.lstm(rows)
        return self.relu(sequence[:, 0] + state[0])


def image():
    values = (7 * np.arange(HEIGHT * WIDTH * 3) + 3) % 256 / 255 - 0.5
    values = values.astype(np.float32).reshape(1, HEIGHT, WIDTH, 3)
    return torch.from_numpy(values).permute(0, 3, 1, 2).contiguous()


def hooked(net, image):
    outputs = {}
    for name, module in net.named_modules():
        module.register_forward_hook(
            lambda _, __, output, name=name: outputs.__setitem__(name, output)
        )
    with torch.inference_mode():
        net(image)
    outputs.pop("")
    return {
        name: some(output.numpy().ravel()) for name, output in outputs.items() if torch.is_tensor(output)
    }


def export(net, image, name):
    torch.onnx.export(net, (image,), HERE / name, external_data=False, verbose=False)
    model = onnx.load(HERE / name)
    for node in model.graph.node:
        # Where the net's source lies is nobody's business.
        kept = [entry for entry in node.metadata_props if "stack_trace" not in entry.key]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, HERE / name)


def attention_kinds():
    """Twelve tokens of 24 units; four heads of queries, two of keys and values."""
    rng = np.random.default_rng(3)
    node = helper.make_node
    constants = {
        "all": np.array([1, 12, 24]),
        "mask": rng.normal(size=(1, 4, 12, 12)).astype(np.float32),
        "allowed": np.tril(np.ones((12, 12), bool), 3),
        "none_first": np.tril(np.ones((12, 12), bool), -1),
        "minus_infinity": np.where(np.arange(12) == 5, -np.inf, 0).astype(np.float32)[:, None] * np.ones(12, np.float32),
        "lowest": np.where(np.eye(12, dtype=bool), np.finfo(np.float32).min, 1).astype(np.float32),
        "four": np.array([1, 4, 12, 6]),
        "pair": np.array([1, 2, 12, 6]),
        "values": np.array([1, 2, 12, 12]),
        "grid": np.array([1, 3, 8, 12]),
    }
    project = {
        name: rng.normal(size=(24, size)).astype(np.float32) / 3
        for name, size in [("q", 24), ("k", 12), ("v", 12), ("wide", 24)]
    }
    # Rows of the lowest number, of one that rounds what it is added to, and of both.
    mask = constants["mask16"] = rng.normal(size=(12, 12)).astype(np.float16)
    mask[5] = mask[7, :6] = mask[8, 3:] = np.finfo(np.float16).min
    mask[6] = mask[7, 6:] = -1e4
    nodes = [
        node("Reshape", ["image", "all"], ["rows"]),
        *(node("MatMul", ["rows", f"{name}_weight"], [name]) for name in project),
        node("Attention", ["q", "k", "v"], ["grouped"], q_num_heads=4, kv_num_heads=2),
        node("Attention", ["q", "k", "v"], ["causal"], q_num_heads=4, kv_num_heads=2, is_causal=1),
        node("Attention", ["q", "k", "v", "mask"], ["masked"], q_num_heads=4, kv_num_heads=2, scale=0.7),
        node("Attention", ["q", "k", "wide", "allowed"], ["allowed_wide"], q_num_heads=4, kv_num_heads=2),
        node("Reshape", ["q", "four"], ["q4"]),
        node("Reshape", ["k", "pair"], ["k4"]),
        node("Reshape", ["wide", "values"], ["v4"]),
        node("Attention", ["q4", "k4", "v4", "allowed"], ["four_axes"], is_causal=1),
        node("Attention", ["q4", "q4", "q4"], ["self"]),
        node("Attention", ["q4", "k4", "v4", "none_first"], ["unseen"]),
        node("Attention", ["q4", "k4", "v4", "minus_infinity"], ["unseen_infinite"]),
        # With `is_causal`, the first query sees no key.
        node("Attention", ["q4", "k4", "v4", "lowest"], ["unseen_lowest"], is_causal=1),
        *(node("Cast", [f"{name}4"], [f"{name}16"], to=TensorProto.FLOAT16) for name in "qkv"),
        node("Attention", ["q16", "k16", "v16"], ["half_causal"], is_causal=1),
        node("Attention", ["q16", "k16", "v16", "mask16"], ["half_masked"]),
        node("Attention", ["q16", "k16", "v16", "none_first"], ["half_unseen"]),
        node("Attention", ["q4", "k4", "v4", "mask16"], ["mask_of_16"]),
        node("ConstantOfShape", ["grid"], ["zeros"]),
        node("Sub", ["image", "zeros"], ["same"]),
    ]
    initializers = [
        numpy_helper.from_array(value, name)
        for name, value in [*constants.items(), *((f"{k}_weight", v) for k, v in project.items())]
    ]
    return save("attention_kinds.onnx", nodes, initializers, 23)


def halves():
    """Operations on 16-bit floats, and a `Pad` that crops, by all axes and by some."""
    rng = np.random.default_rng(6)
    half = lambda *size: (0.3 * rng.normal(size=size)).astype(np.float16)
    constants = {
        "kernel": half(6, 3, 3, 3), "bias": half(6), "scale": half(6), "shift": half(6),
        "weight": half(5, 6), "offset": half(5), "wide": half(5, 600), "narrow": half(600, 4) / 8,
        "axes": np.array([2, 3]), "fill": np.array(0.5, np.float16),
        "all_pads": np.array([0, 0, 1, -2, 0, -1, -3, 2]), "some_pads": np.array([-1, -2, 3, -1]),
        "some_axes": np.array([-1, 2]),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
        node("Conv", ["half", "kernel", "bias"], ["conv"]),
        node("InstanceNormalization", ["conv", "scale", "shift"], ["norm"]),
        node("Gelu", ["norm"], ["gelu"]),
        node("HardSwish", ["norm"], ["swish"]),
        node("Elu", ["norm"], ["elu"], alpha=0.7),
        node("Pad", ["norm", "all_pads", "fill"], ["cropped"]),
        node("Pad", ["image", "some_pads", "", "some_axes"], ["cropped_image"]),
        node("ReduceMean", ["gelu", "axes"], ["mean"], keepdims=0),
        node("Gemm", ["mean", "weight", "offset"], ["gemm"], transB=1, alpha=0.7, beta=1.3),
        node("Softmax", ["gemm"], ["softmax"]),
        node("MatMul", ["gemm", "wide"], ["matmul"]),
        node("MatMul", ["matmul", "narrow"], ["sums"]),
        node("Cast", ["sums"], ["single"], to=TensorProto.FLOAT),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return save("halves.onnx", nodes, initializers, 20)


def halves_deep():
    """Twelve convolutions in 16 bits; `Flatten` and `LayerNormalization` alone among what is in 32 bits."""
    rng = np.random.default_rng(8)
    node = helper.make_node
    constants = {"side": np.array([0, 8, -1]), "ones": np.ones(6, np.float16), "zeros": np.zeros(6, np.float16)}
    nodes = [node("Cast", ["image"], ["x0"], to=TensorProto.FLOAT16)]
    channels = 3
    for at in range(12):
        kernel = rng.normal(size=(8, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        constants[f"kernel{at}"] = kernel.astype(np.float16)
        nodes.append(node("Conv", [f"x{at}", f"kernel{at}"], [f"conv{at}"], pads=[1] * 4))
        nodes.append(node("Relu", [f"conv{at}"], [f"x{at + 1}"]))
        channels = 8
    constants["head"] = rng.normal(size=(768, 6)).astype(np.float16) / 24
    constants["last"] = rng.normal(size=(6, 5)).astype(np.float16)
    constants["turn"] = rng.normal(size=(96, 5)).astype(np.float16) / 8
    nodes += [
        node("Flatten", ["x12"], ["flat"]),
        node("MatMul", ["flat", "head"], ["hidden"]),
        node("LayerNormalization", ["hidden", "ones", "zeros"], ["normal"]),
        node("MatMul", ["normal", "last"], ["logits"]),
        node("Cast", ["logits"], ["single"], to=TensorProto.FLOAT),
        # Two in a row are in 16 bits.
        node("Reshape", ["x12", "side"], ["rows"]),
        node("Transpose", ["rows"], ["columns"], perm=[0, 2, 1]),
        node("Transpose", ["columns"], ["turned"], perm=[0, 2, 1]),
        node("MatMul", ["turned", "turn"], ["rounded"]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return save("halves_deep.onnx", nodes, initializers, 20, ["single", "rounded"])


def numbers():
    """Integers from -5 to 5; logarithms of exponentials of up to 150; halves of quantisation steps."""
    node = helper.make_node
    single = lambda value: np.array(value, np.float32)
    constants = {
        "ten": single(10), "hundreds": single(300), "scales": single([1, 1, 2, 1.5]),
        "indices": np.array([-1, 3, 14, -4]), "size": np.array(12), "last": np.array(-1),
        "six": np.array(6), "width": np.array([3]),
        "matrix": np.linspace(-1, 1, 60, dtype=np.float32).reshape(12, 5),
        "halves": single(0.11), "step": single(0.22), "middle": np.array(100, np.uint8),
        "steps": single([0.22, 0.1, 0.4]), "middles": np.array([-3, 0, 9], np.int8),
        "step16": single(0.00022), "middle16": np.array(-30000, np.int16),
    }
    nodes = [
        node("Mul", ["image", "ten"], ["tenfold"]),
        node("Mod", ["indices", "size"], ["columns"]),
        node("Gather", ["image", "columns"], ["gathered"], axis=3),
        node("Resize", ["image", "", "scales"], ["resized"], mode="linear",
             coordinate_transformation_mode="align_corners"),
        node("Mul", ["image", "hundreds"], ["large"]),
        node("LogSoftmax", ["large"], ["log_softmax"], axis=1),
        node("Softplus", ["large"], ["softplus"]),
        node("Round", ["large"], ["round"]),
        node("Mul", ["round", "halves"], ["between"]),
    ]
    for name, further in [
        ("quantised", ["step", "middle"]), ("by_channel", ["steps", "middles"]),
        ("in_16_bits", ["step16", "middle16"]),
    ]:
        nodes.append(node("QuantizeLinear", ["between", *further], [f"{name}_whole"]))
        nodes.append(node("Cast", [f"{name}_whole"], [name], to=TensorProto.FLOAT))
    for name, equation, further in [
        ("times", "...w,wk->...k", ["matrix"]), ("each", "b...w,wk", ["matrix"]),
        ("all", "bchw ->", []), ("outer", "...hw,...vw->...hv", ["image"]),
    ]:
        nodes.append(node("Einsum", ["image", *further], [f"{name}_product"], equation=equation))
    whole = {
        "sign": ("Sign", []), "and": ("BitwiseAnd", ["six"]), "not": ("BitwiseNot", []),
        "summed": ("CumSum", ["last"]), "largest": ("ReduceMax", ["width"]),
    }
    for bits, to, kind in [(32, TensorProto.INT32, np.int32), (64, TensorProto.INT64, np.int64)]:
        nodes.append(node("Cast", ["tenfold"], [f"whole{bits}"], to=to))
        for name, by in [("plus", 3), ("minus", -3)]:
            constants[f"{name}{bits}"] = np.array(by, kind)
            whole[f"{name}_remainder{bits}"] = ("Mod", [f"{name}{bits}"])
    # A dividend with fewer values than the divisor, which is from 35 to 45.
    constants |= {"forty": np.array(40), "narrow": np.array([[[-17]], [[100]], [[0]]]), "forty32": single(40)}
    nodes += [
        node("Add", ["whole64", "forty"], ["divisor"]),
        node("Add", ["tenfold", "forty32"], ["divisor32"]),
        node("Mod", ["hundreds", "divisor32"], ["left_float"], fmod=1),
    ]
    for name, of in [("left_minus", "minus64"), ("left_channels", "narrow")]:
        nodes.append(node("Mod", [of, "divisor"], [f"{name}_whole"]))
        nodes.append(node("Cast", [f"{name}_whole"], [name], to=TensorProto.FLOAT))
    nodes.append(node("Div", ["forty", "divisor"], ["left_division_whole"]))
    nodes.append(node("Cast", ["left_division_whole"], ["left_division"], to=TensorProto.FLOAT))
    for name, (op, further) in whole.items():
        of = "whole32" if name.endswith("32") else "whole64"
        nodes.append(node(op, [of, *further], [f"{name}_whole"]))
        nodes.append(node("Cast", [f"{name}_whole"], [name], to=TensorProto.FLOAT))
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return save("numbers.onnx", nodes, initializers, 21)


def unsupported():
    node = helper.make_node
    sizes = {
        "rnn": (1, 4, 12), "rnn_r": (1, 4, 4), "gru": (1, 12, 12), "gru_r": (1, 12, 4),
        "lstm": (1, 16, 12), "lstm_r": (1, 16, 4),
    }
    weights = {name: np.ones(size, np.float32) for name, size in sizes.items()}
    weights |= {"first": np.array(0), "scales": np.array([1, 1, 1.3, 2], np.float32)}
    weights |= {
        "grid": np.zeros((1, 2, 2, 2), np.float32), "kernel": np.ones((3, 2, 3, 3), np.float32),
        "three": np.array([3]), "pads": np.array([0, 0, 1, 1] * 2),
        "second": np.array([1]), "one_row": np.array([1, 3, 1, 9]), "batched": np.array([[2, 1]]),
        "half": np.array(0.5, np.float32),
    }
    rnn, gru, lstm = (["row", name, f"{name}_r"] for name in ["rnn", "gru", "lstm"])
    tanh = ["Sigmoid", "Tanh", "Tanh"]
    branch = lambda node: helper.make_graph(
        [node], "branch", [], [helper.make_empty_tensor_value_info(node.output[0])]
    )
    ones = ["scale", "shift", "mean", "variance"]
    nodes = [
        node("Relu", ["image"], ["relu"]),
        node("Relu", ["relu"], ["other_relu"], domain="made.up"),
        node("Neg", ["other_relu"], ["after_other"]),
        node("BatchNormalization", ["relu", *ones], ["trained", "m", "v"], training_mode=1),
        node("Swish", ["relu"], ["swish"], alpha=2.0),
        node("Attention", ["relu", "relu", "relu"], ["capped"], softcap=3.0),
        node("Gather", ["image", "first"], ["row"], axis=1),
        node("RNN", rnn, ["rnn_relu"], hidden_size=4, activations=["Relu"]),
        node("RNN", rnn, ["rnn_reverse"], hidden_size=4, direction="reverse"),
        node("GRU", gru, ["gru_alpha"], hidden_size=4, activation_alpha=[0.3]),
        node("GRU", gru, ["gru_clip"], hidden_size=4, clip=0.5),
        node("LSTM", lstm, ["lstm_last"], hidden_size=4, activations=[*tanh[:2], "Relu"]),
        node("LSTM", lstm, ["lstm_forget"], hidden_size=4, input_forget=1),
        node("LSTM", lstm, ["lstm_own"], hidden_size=4, activations=tanh),
        node("GlobalLpPool", ["relu"], ["pool"], p=3),
        node("Resize", ["relu", "", "scales"], ["symmetric"], mode="nearest",
             coordinate_transformation_mode="half_pixel_symmetric"),
        node("Resize", ["relu", "", "scales"], ["corners"], mode="linear",
             coordinate_transformation_mode="align_corners"),
        node("Resize", ["relu", "", "", "one_row"], ["lone"], mode="cubic",
             coordinate_transformation_mode="pytorch_half_pixel"),
        node("Resize", ["relu", "", "", "one_row"], ["smooth"], mode="linear", antialias=1,
             coordinate_transformation_mode="pytorch_half_pixel"),
        node("Resize", ["relu", "", "scales"], ["cubic"], mode="cubic",
             coordinate_transformation_mode="pytorch_half_pixel"),
        node("GridSample", ["relu", "grid"], ["sampled"], mode="cubic", padding_mode="border"),
        node("ConvTranspose", ["relu", "kernel"], ["larger"], strides=[2, 2], auto_pad="VALID",
             output_shape=[17, 24]),
        node("TopK", ["relu", "three"], ["top", "top_at"], sorted=0),
        node("Pad", ["relu", "pads"], ["padded"], domain="com.microsoft"),
        node("GatherND", ["relu", "batched"], ["picked"], batch_dims=1),
        node("Neg", ["picked"], ["after_picked"]),
        node("Dropout", ["relu", "half", "yes"], ["dropped"]),
        node("Greater", ["relu", "half"], ["bright"]),
        node("ReduceMax", ["bright"], ["any_bright"]),
        node("Cast", ["any_bright"], ["any"], to=TensorProto.FLOAT),
        # Of zeros nothing is found, or all.
        node("NonZero", ["bright"], ["bright_at"]),
        node("Cast", ["bright_at"], ["bright_places"], to=TensorProto.FLOAT),
        node("ReduceSum", ["bright_places", "second"], ["bright_sum"]),
        node("Neg", ["bright_sum"], ["after_bright_sum"]),
        node("Equal", ["relu", "relu"], ["same"]),
        node("NonZero", ["same"], ["same_at"]),
        node("Cast", ["same_at"], ["same_places"], to=TensorProto.FLOAT),
        node("ReduceSum", ["same_places", "second"], ["same_sum"]),
        node("If", ["yes"], ["either"],
             then_branch=branch(node("Celu", ["relu"], ["then"], alpha=2.0)),
             else_branch=branch(node("Neg", ["relu"], ["else"]))),
        node("RandomNormal", [], ["noise"], shape=[1, 3, 8, 12]),
        node("Add", ["relu", "noise"], ["noisy"]),
        *(node(op, ["relu"], [name], seed=1.0) for op, name in [
            ("RandomUniformLike", "uniform"), ("Bernoulli", "coin"), ("Multinomial", "sample"),
        ]),
        node("If", ["yes"], ["random_either"],
             then_branch=branch(node("RandomNormalLike", ["relu"], ["then"])),
             else_branch=branch(node("Neg", ["relu"], ["else"]))),
        node("Neg", ["relu"], ["neg"]),
    ]
    weights |= {name: np.ones(3, np.float32) for name in ones} | {"yes": np.array(True)}
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    save("unsupported.onnx", nodes, initializers, 24)


def sizes():
    """A square of 16,385 is more than a tensor may have; two of 12,000 are together."""
    node = helper.make_node
    constants = {
        "one": np.ones((1, 1), np.float32), "pixel": np.ones((1, 1, 1, 1), np.float32),
        "pads": np.array([0, 0, 16384, 16384]), "side": np.array([16385, 16385]),
        "square": np.array([1, 1, 16385, 16385]), "row": np.array([1, 1, 16385, 1]),
        "first": np.array(0), "last": np.array(300_000_000), "step": np.array(1),
        "half": np.array([12000, 12000]),
    }
    nodes = [node("Relu", ["image"], ["relu"])]
    for op, name, inputs in [
        ("Pad", "padded", ["one", "pads"]),
        ("Resize", "resized", ["pixel", "", "", "square"]),
        ("Expand", "expanded", ["one", "side"]),
        ("Tile", "tiled", ["one", "side"]),
        ("ConstantOfShape", "filled", ["side"]),
        ("Range", "counted", ["first", "last", "step"]),
        ("ConstantOfShape", "queries", ["row"]),
        ("Attention", "seen", ["queries"] * 3),
        ("ConstantOfShape", "some", ["half"]),
        ("ConstantOfShape", "more", ["half"]),
    ]:
        # One byte each.
        truths = {"value": helper.make_tensor("no", TensorProto.BOOL, [1], [0])} if inputs == ["half"] else {}
        nodes.append(node(op, inputs, [name], **truths))
        if name not in ("queries", "some"):
            nodes.append(node("ReduceMax", [name], [f"{name}_max"], keepdims=0))
            nodes.append(node("Cast", [f"{name}_max"], [f"{name}_float"], to=TensorProto.FLOAT))
            nodes.append(node("Add", ["relu", f"{name}_float"], [f"after_{name}"]))
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    save("sizes.onnx", nodes, initializers, 23)


def batch():
    rng = np.random.default_rng(5)
    node = helper.make_node
    constants = {
        "kernel": rng.normal(size=(6, 3, 4, 4)).astype(np.float32),
        "rows": np.array([3, 6, 6]),
        "token": rng.normal(size=(1, 1, 6)).astype(np.float32),
        "expanded": np.array([3, 1, 6]),
        "heads": np.array([9, 7, 2]),
        "flat": np.array([3, -1]),
        "matrix": rng.normal(size=(42, 4)).astype(np.float32),
        "axis": np.array([0]),
    }
    nodes = [
        node("Conv", ["image", "kernel"], ["patches"], strides=[4, 4]),
        node("Reshape", ["patches", "rows"], ["tokens"]),
        node("Transpose", ["tokens"], ["turned"], perm=[0, 2, 1]),
        node("Expand", ["token", "expanded"], ["tokens_of_batch"]),
        node("Concat", ["tokens_of_batch", "turned"], ["all"], axis=1),
        node("Transpose", ["all"], ["sequence"], perm=[1, 0, 2]),
        node("Reshape", ["all", "heads"], ["split"]),
        node("Reshape", ["all", "flat"], ["row"]),
        node("MatMul", ["row", "matrix"], ["logits"]),
        node("ReduceMean", ["logits", "axis"], ["mean"], keepdims=1),
        node("Sub", ["logits", "mean"], ["mixed"]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return save("batch.onnx", nodes, initializers, 18, batch=3)


def save(name, nodes, initializers, opset, outputs=None, batch="batch"):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "net",
        [value("image", TensorProto.FLOAT, [batch, 3, HEIGHT, WIDTH])],
        [helper.make_empty_tensor_value_info(name) for name in outputs or nodes[-1].output[:1]],
        initializers,
    )
    sets = [helper.make_opsetid(domain, 1) for domain in ("made.up", "com.microsoft")]
    sets.append(helper.make_opsetid("", opset))
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    onnx.save(model, HERE / name)
    return model


def computed(model, image, names=None):
    """The tensors of these names, or all."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    names = names or [name for node in model.graph.node for name in node.output if name != "zeros"]
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    answers = zip(names, session.run(names, {"image": image.numpy()}))
    return {name: answer.ravel() for name, answer in answers}


def some(values, step=None):
    """How many there are, and some from everywhere, or each `step`th."""
    step = step or max(1, len(values) // 24)
    return {
        "size": len(values), "step": step, "values": [float(f"{value:.8g}") for value in values[::step]]
    }


def main():
    torch.manual_seed(1)
    references = {}
    for name, net in [("blocks.onnx", Blocks()), ("returns.onnx", Returns())]:
        net = net.eval()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        export(net, image(), name)
        references[name] = hooked(net, image())
    unsupported()
    sizes()
    kinds = computed(attention_kinds(), image())
    references["attention_kinds.onnx"] = {name: some(values) for name, values in kinds.items()}
    floats = computed(numbers(), image())
    references["numbers.onnx"] = {
        # Few halves are rounded otherwise after another division.
        name: some(values, 1 if name == "quantised" else None)
        for name, values in floats.items() if values.dtype == np.float32
    }
    sixteen = computed(halves(), image())
    references["halves.onnx"] = {name: some(values) for name, values in sixteen.items()}
    deep = halves_deep()
    chain = computed(deep, image(), [output.name for output in deep.graph.output])
    references["halves_deep.onnx"] = {name: some(values) for name, values in chain.items()}
    others = torch.flip(image(), (1, 3)), -image()
    together = computed(batch(), torch.cat([image(), *others]))
    sizes = {name: len(values) // 3 for name, values in together.items()}
    # Of the sequence, the batch is the second axis.
    together.pop("sequence")
    references["batch.onnx"] = {
        name: some(values[: sizes[name]]) for name, values in together.items()
        if name not in ("tokens_of_batch", "mean", "mixed")
    }
    (HERE / "onnx_modules.json").write_text(json.dumps(references) + "\n")


if __name__ == "__main__":
    main()
