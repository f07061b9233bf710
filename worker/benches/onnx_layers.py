"""Nets as PyTorch exports them by default: every layer against onnxruntime, and every module's name against
PyTorch's own hook.

    python3 worker/benches/onnx_layers.py [NET …]

Weights are random (seeded), images noise; needs torch, torchvision, timm, onnx, onnxscript and onnxruntime.
Run it from the repository, with NRP_ONNX the built `target/…/examples/onnx` if cargo is not to build it, and
NRP_ONNX_NETS a folder where the nets and onnxruntime's answers are kept for the next run.

One row per net: tensors that depend on the image and hold floats, as onnxruntime computes them; how many
of them nrp does not list; the largest difference from onnxruntime, in standard deviations of the tensor; the
modules whose name nrp accepts; and the largest difference of what they return from PyTorch's, likewise.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn


class Recurrent(nn.Module):
    """A convolution that is applied four times to its own output, and a ReLU called each time."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 7, stride=4, padding=3)
        self.again = nn.Conv2d(16, 16, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) for _ in range(4))
        self.relu = nn.ReLU()
        self.head = nn.Linear(16, 10)

    def forward(self, image):
        state = inputs = self.stem(image)
        for norm in self.norms:
            state = self.relu(norm(self.again(state)) + inputs)
        return self.head(state.mean((2, 3)))


class Rows(nn.Module):
    """An LSTM and a GRU of both directions over an image's rows."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 7, stride=8)
        self.lstm = nn.LSTM(8 * 28, 32, num_layers=2, batch_first=True)
        self.gru = nn.GRU(32, 16, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 10)

    def forward(self, image):
        rows = torch.tanh(self.stem(image)).permute(0, 2, 1, 3).flatten(2)
        rows, _ = self.lstm(rows)
        rows, _ = self.gru(rows)
        return self.head(rows[:, -1])


def vision(name):
    import torchvision

    return lambda: getattr(torchvision.models, name)(weights=None)


def timm(name):
    def make():
        import timm

        return timm.create_model(name, pretrained=False)

    return make


# The net, and the operator set that is asked for, None if the default is taken.
NETS = {
    "resnet18": (vision("resnet18"), None),
    "mobilenet_v3_small": (vision("mobilenet_v3_small"), None),
    "efficientnet_b0": (vision("efficientnet_b0"), None),
    "convnext_tiny": (vision("convnext_tiny"), None),
    "vit_b_16": (vision("vit_b_16"), None),
    "timm vit_tiny, opset 20": (timm("vit_tiny_patch16_224"), 20),
    "timm vit_tiny, opset 23": (timm("vit_tiny_patch16_224"), 23),
    "swin_t": (vision("swin_t"), None),
    "swin_t, opset 23": (vision("swin_t"), 23),
    "recurrent convolution": (Recurrent, None),
    "LSTM and GRU": (Rows, None),
}


def net(make):
    torch.manual_seed(0)
    model = make().eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        # Some are zero at first.
        if isinstance(module, nn.Linear) and not module.weight.any():
            module.weight.data.normal_(0, 0.02)
    return model


def module_outputs(model, image):
    """The tensors that each module returned at its last call."""
    outputs = {}

    def tensors(output):
        # A copy: a ReLU that works in place overwrites what the module before it returned.
        if torch.is_tensor(output):
            return [output.float().clone().numpy()]
        return [tensor for part in output or () for tensor in tensors(part)]

    for name, module in model.named_modules():
        module.register_forward_hook(
            lambda _, __, output, name=name: outputs.__setitem__(name, tensors(output))
        )
    with torch.inference_mode():
        model(image)
    outputs.pop("")
    return outputs


def references(path, images):
    """The float tensors that depend on the image, by onnxruntime, of the first image."""
    model = onnx.load(path)
    reached = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if reached.intersection(node.input):
            reached.update(name for name in node.output if name)
    kinds = {}
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    for value in [*inferred.value_info, *inferred.output]:
        kinds[value.name] = value.type.tensor_type.elem_type
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    names = [name for node in model.graph.node for name in node.output if name in reached]
    names = [name for name in names if kinds.get(name, onnx.TensorProto.FLOAT) in floats]
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    probe = path.with_name("probe.onnx")
    onnx.save(
        model, probe, save_as_external_data=True, location="probe.onnx.data", all_tensors_to_one_file=True
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    session = onnxruntime.InferenceSession(probe, options, providers=["CPUExecutionProvider"])
    first, second = (
        dict(zip(names, session.run(names, {model.graph.input[0].name: image}))) for image in images
    )
    return {
        name: value for name, value in first.items()
        if value.size and not np.array_equal(value, second[name], equal_nan=True)
    }


def ours(path, image, directory):
    # As nrp takes it: height, width, channels.
    np.ascontiguousarray(image.transpose(0, 2, 3, 1)).tofile(directory / "image.f32")
    command = ["cargo", "run", "-q", "-p", "nrp-worker", "--example", "onnx", "--"]
    if "NRP_ONNX" in os.environ:
        command = [os.environ["NRP_ONNX"]]
    files = [path, directory / "image.f32", directory / "layers.f32"]
    done = subprocess.run([*command, *map(str, files)], check=True, stdout=subprocess.PIPE, text=True)
    report = json.loads(done.stdout)
    values = np.fromfile(directory / "layers.f32", np.float32)
    values = np.split(values, np.cumsum(report["units"])[:-1])
    return report, dict(zip(report["layers"], values))


def difference(ours, theirs):
    """In standard deviations of theirs."""
    theirs = theirs.astype(np.float64).ravel()
    if ours.size != theirs.size:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(theirs.std(), 1e-12))


def worst(triples):
    errors = [(difference(ours, theirs), name) for name, ours, theirs in triples]
    return max(errors, default=(0.0, "none"))


def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    torch.manual_seed(1)
    images = torch.randn(2, 3, 224, 224)
    print("| net | opset | tensors | not listed | largest difference | modules | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    kept = os.environ.get("NRP_ONNX_NETS")
    for name in sys.argv[1:] or NETS:
        make, opset = NETS[name]
        model = net(make)
        with tempfile.TemporaryDirectory() as temporary:
            directory = pathlib.Path(kept or temporary) / name.replace(" ", "_")
            directory.mkdir(exist_ok=True, parents=True)
            path, answers = directory / "net.onnx", directory / "answers.npz"
            if not answers.exists():
                asked = {} if opset is None else {"opset_version": opset}
                torch.onnx.export(model, (images[:1],), path, verbose=False, **asked)
                np.savez(answers, **references(path, [image[None].numpy() for image in images]))
            expected = np.load(answers)
            stated = onnx.load(path, load_external_data=False)
            sets = {it.domain: it.version for it in stated.opset_import}
            report, layers = ours(path, images[:1].numpy(), directory)
            missing = [tensor for tensor in expected if tensor not in layers]
            compared = [(it, layers[it], expected[it]) for it in expected if it in layers]
            (error, at) = worst(compared)
        hooked = module_outputs(model, images[:1])
        modules = [
            # Of several, the one that the network reads has the name.
            (module, layers[tensor], min(hooked[module], key=lambda it: difference(layers[tensor], it)))
            for module, tensor in report["modules"].items()
        ]
        (module_error, module) = worst(modules)
        print(
            f"| {name} | {sets['']} | {len(compared) + len(missing)} | {len(missing)} | {error:.1e} | "
            f"{len(modules)} of {len(hooked)} | {module_error:.1e} |", flush=True,
        )
        if missing or error > 1e-3 or module_error > 1e-3:
            print(f"  missing {missing[:9]}; worst {at}, module {module}", file=sys.stderr)


if __name__ == "__main__":
    main()
