"""Torchvision nets as ONNX files: every layer against onnxruntime, the last against PyTorch, and CPU
seconds per image and images a second of each program.

    python3 worker/benches/onnx_speed.py [NET …]

Weights are random (seeded), images noise; needs torch, torchvision, onnx, onnxruntime and onnxscript.
Run it from the repository. Two threads each; the best of three.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision

NETS = ["resnet50", "vit_b_16", "convnext_tiny"]
EXPORTS = [("TorchScript", "any"), ("TorchScript", 1), ("dynamo", "any"), ("dynamo", 1)]
THREADS = 2
BATCH = 16
PASSES = 3


def net(name):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(weights=None).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        # The ViT's is zero at first.
        if isinstance(module, torch.nn.Linear) and not module.weight.any():
            module.weight.data.normal_(0, 0.02)
    return model


def export(model, images, path, exporter, batch):
    any_batch = batch == "any"
    common = dict(input_names=["image"], output_names=["out"])
    if exporter == "dynamo":
        shapes = ({0: torch.export.Dim("batch")},) if any_batch else None
        torch.onnx.export(
            model, (images[: 2 if any_batch else 1],), path, dynamo=True, dynamic_shapes=shapes,
            external_data=False, **common,
        )
    else:
        axes = {"image": {0: "batch"}} if any_batch else None
        torch.onnx.export(
            model, (images[:1],), path, dynamo=False, opset_version=17, dynamic_axes=axes, **common
        )


def cost(run):
    """CPU seconds per image and images a second."""
    run()
    cpu, wall = [], []
    for _ in range(PASSES):
        start = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return f"{min(cpu) / BATCH:.2f} ({BATCH / min(wall):.1f})"


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    # Threads that wait take no time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def worst(path, report, answers, images):
    """Largest difference from onnxruntime over all tensors, in standard deviations of each."""
    model = onnx.load(path)
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name)
        for name in report["layers"] if name not in known
    )
    theirs = session(model).run(report["layers"], {"image": images[:1]})
    ours = np.split(np.fromfile(answers, np.float32), np.cumsum(report["units"])[:-1])
    errors = []
    for name, a, b in zip(report["layers"], ours, theirs):
        error = np.abs(a - b.ravel()).max()
        errors.append((error / max(b.std(), 1e-12), name))
    return max(errors)


def ours(path, images, directory):
    # As the net takes it: height, width, channels.
    images.transpose(0, 2, 3, 1).tofile(directory / "images.f32")
    command = ["cargo", "run", "-q", "-p", "nrp-worker", "--example", "onnx", "--"]
    files = [path, directory / "images.f32", directory / "layers.f32"]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(THREADS)}
    done = subprocess.run(
        [*command, *map(str, files)], check=True, capture_output=True, text=True, env=environment
    )
    return json.loads(done.stdout)


def main():
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    images = torch.randn(BATCH, 3, 224, 224)
    directory = pathlib.Path(tempfile.mkdtemp())
    print("| net | exporter | batch | layers | largest difference | nrp | onnxruntime | PyTorch |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[1:] or NETS:
        model = net(name)
        with torch.inference_mode():
            expected = model(images[:1]).numpy()
            torch_cost = cost(lambda: model(images))
        for exporter, batch in EXPORTS:
            path = directory / "net.onnx"
            try:
                export(model, images, path, exporter, batch)
            except Exception as error:  # An exporter's failure is a finding, not ours.
                print(f"| {name} | {exporter} | {batch} | not exported: {type(error).__name__} |")
                continue
            report = ours(path, images.numpy(), directory)
            out = np.fromfile(directory / "layers.f32", np.float32)[-expected.size :]
            assert np.abs(out - expected.ravel()).max() < 1e-3 * expected.std(), "PyTorch's output"
            error, layer = worst(path, report, directory / "layers.f32", images.numpy())
            ours_cost = f"{report['cpu_seconds_per_image']:.2f} ({report['images_per_second']:.1f})"
            ort = session(onnx.load(path))
            size = BATCH if batch == "any" else 1

            def run():
                for at in range(0, BATCH, size):
                    ort.run(None, {"image": images[at : at + size].numpy()})

            costs = [ours_cost, cost(run), torch_cost]
            print(
                f"| {name} | {exporter} | {batch} | {len(report['layers'])} | {error:.1e} | "
                + " | ".join(costs) + " |", flush=True,
            )


if __name__ == "__main__":
    main()
