#!/usr/bin/env python3
"""Images per second through each ANN, beside PyTorch running the same graph, in the same run.

Usage: extract.py [--rounds N] [--devices flex,tch:cpu] [ANN ...]      (`just bench-extract`)

Runs the `extract` bench once a round and device, PyTorch between them, and replaces the table in
docs/performance.md. PyTorch gets its best: inference mode, batch norm folded into convolutions, all
cores, both memory layouts, of which the faster counts. Weights are random, images noise.
"""
import argparse, json, os, re, statistics, subprocess, sys, time
import torch
import torch.nn.functional as F

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ANNS = ["mobilenet", "mobilenet_v2", "nasnet_mobile", "resnet50", "xception", "densenet121",
        "densenet169", "alexnet"]
BATCH, PASSES = 16, 3


def bench(features, *words):
    command = ["cargo", "bench", "--quiet", "-p", "nrp-worker", "--bench", "extract"]
    if features:
        command += ["--features", features]
    done = subprocess.run(command + ["--", *words], cwd=ROOT, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"`{' '.join(command)} -- {' '.join(words)}` failed")
    return done.stdout


def around(window, shape):
    """Pads (left, right, top, bottom) of a window, as Keras and PyTorch count them."""
    pads = []
    for size, stride, n in zip(window["size"], window["stride"], shape[:2]):
        padding = window["padding"]
        if padding == "Valid":
            pads.append((0, 0))
        elif padding == "Same":
            total = max((-(-n // stride) - 1) * stride + size - n, 0)
            pads.append((total // 2, total - total // 2))
        else:
            pads.append((padding["Around"],) * 2)
    return (*pads[1], *pads[0])


class Net:
    """The graph, node by node; a batch norm that alone follows a convolution is folded away."""

    def __init__(self, nodes, layout):
        self.nodes, self.layout, self.weights = nodes, layout, {}
        shapes = {node["name"]: node["shape"] for node in nodes}
        self.shapes, readers = shapes, [i for node in nodes for i in node["inputs"]]
        ops = {node["name"]: node["op"] for node in nodes}
        self.reads = {name: readers.count(name) for name in shapes}
        self.folded = {node["name"] for node in nodes if kind(node["op"]) == "BatchNorm"
                       and readers.count(node["inputs"][0]) == 1
                       and kind(ops[node["inputs"][0]]) in ("Conv", "DepthwiseConv", "SeparableConv")}
        convs = {node["inputs"][0] for node in nodes if node["name"] in self.folded}
        for node in nodes:
            op, what = node["op"], kind(node["op"])
            seen = shapes[node["inputs"][0]][-1] if node["inputs"] else 0
            name, out = node["name"], node["shape"][-1]
            bias = torch.zeros(out) if name in convs else None
            if what == "Conv":
                conv = op["Conv"]
                bias = torch.zeros(out) if conv["bias"] else bias
                size = (out, seen // conv["groups"], *conv["window"]["size"])
                self.weights[name] = (self.draw(size), bias)
            elif what == "DepthwiseConv":
                self.weights[name] = (self.draw((seen, 1, *op[what]["window"]["size"])), bias)
            elif what == "SeparableConv":
                deep = self.draw((seen, 1, *op[what]["window"]["size"]))
                self.weights[name] = (deep, self.draw((out, seen, 1, 1)), bias)
            elif what == "Dense":
                self.weights[name] = (self.draw((out, seen)), torch.zeros(out))
            elif what == "BatchNorm":
                self.weights[name] = (torch.ones(1, out, 1, 1), torch.zeros(1, out, 1, 1))

    def draw(self, size):
        fan_in = torch.Size(size[1:]).numel()
        drawn = (torch.rand(size) * 2 - 1) * (6 / fan_in) ** 0.5
        return drawn.to(memory_format=self.layout) if len(size) == 4 else drawn

    def conv(self, x, kernel, bias, window, shape, groups):
        left, right, top, bottom = around(window, shape)
        if (left, top) != (right, bottom):
            x, left, top = F.pad(x, (left, right, top, bottom)), 0, 0
        return F.conv2d(x, kernel, bias, window["stride"], (top, left), 1, groups)

    def run(self, x):
        values, left = {}, dict(self.reads)
        for node in self.nodes:
            inputs = []
            for name in node["inputs"]:
                inputs.append(values[name])
                left[name] -= 1
                if not left[name]:
                    del values[name]
            y = values[node["name"]] = self.node(node, inputs, x)
        return y

    def node(self, node, inputs, image):
        op, what, name = node["op"], kind(node["op"]), node["name"]
        x = inputs[0] if inputs else image
        shape = self.shapes[node["inputs"][0]] if inputs else None
        if what in ("Input", "Dropout") or name in self.folded:
            return x
        if what == "ZeroPadding":
            (top, bottom), (left, right) = op[what]
            return F.pad(x, (left, right, top, bottom))
        if what == "Cropping":
            (top, bottom), (left, right) = op[what]
            return x[:, :, top:shape[0] - bottom, left:shape[1] - right]
        if what == "Conv":
            conv = op["Conv"]
            y = self.conv(x, *self.weights[name], conv["window"], shape, conv["groups"])
            return end(y, conv["end"])
        if what == "DepthwiseConv":
            return self.conv(x, *self.weights[name], op[what]["window"], shape, shape[-1])
        if what == "SeparableConv":
            deep, point, bias = self.weights[name]
            return F.conv2d(self.conv(x, deep, None, op[what]["window"], shape, shape[-1]), point, bias)
        if what == "BatchNorm":
            scale, shift = self.weights[name]
            return (x * scale).add_(shift)
        if what == "Relu":
            high = op[what]["max"]
            return F.relu(x) if high is None else x.clamp(0, high)
        if what in ("MaxPool", "AveragePool"):
            window = op[what]
            left, right, top, bottom = around(window, shape)
            even = (left, top) == (right, bottom)
            if what == "MaxPool":
                if not even:
                    x, left, top = F.pad(x, (left, right, top, bottom), value=float("-inf")), 0, 0
                return F.max_pool2d(x, window["size"], window["stride"], (top, left))
            if not even:
                x, left, top = F.pad(x, (left, right, top, bottom)), 0, 0
            return F.avg_pool2d(x, window["size"], window["stride"], (top, left), count_include_pad=False)
        if what == "LocalResponseNorm":
            return F.local_response_norm(x, op[what]["size"], op[what]["alpha"], op[what]["beta"], 1.0)
        if what == "GlobalAveragePooling":
            return x.mean((2, 3), keepdim=op[what]["keep_dims"])
        if what == "Flatten":
            return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x
        if what == "FlattenChannelsFirst":
            return x.flatten(1)
        if what == "Dense":
            return end(F.linear(x, *self.weights[name]), op[what]["end"])
        if what == "Softmax":
            return x.softmax(1)
        if what == "Add":
            return sum(inputs[1:], x)
        if what == "Concat":
            return torch.cat(inputs, 1)
        sys.exit(f"no such operation: {op}")


def kind(op):
    return op if isinstance(op, str) else next(iter(op))


def end(y, what):
    return {"Linear": lambda: y, "Relu": lambda: y.relu_(), "Softmax": lambda: y.softmax(1)}[what]()


def pytorch(net, image):
    with torch.inference_mode():
        net.run(image)
        rates = []
        for _ in range(PASSES):
            start = time.perf_counter()
            net.run(image)
            rates.append(BATCH / (time.perf_counter() - start))
    return max(rates)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--devices", default="flex,tch:cpu")
    arguments.add_argument("ann", nargs="*", default=ANNS)
    arguments = arguments.parse_args()
    devices = arguments.devices.split(",")
    features = ",".join({device.split(":")[0] for device in devices if device != "flex"})
    torch.set_num_threads(os.cpu_count())
    layouts = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
    rows = []
    for ann in arguments.ann:
        nodes = json.loads(bench(features, "graph", ann))
        height, width, channels = nodes[0]["shape"]
        rates = {}
        for _ in range(arguments.rounds):
            for name, layout in layouts.items():
                image = torch.rand(BATCH, channels, height, width).to(memory_format=layout)
                rates.setdefault(name, []).append(pytorch(Net(nodes, layout), image))
            for device in devices:
                lines = bench(features, device, ann).split("\n")
                passes = [float(line.split()[2]) for line in lines if line]
                rates.setdefault(device, []).append(max(passes))
        best = max(layouts, key=lambda name: statistics.median(rates[name]))
        cells = [ann] + [f"{statistics.median(rates[name]):.1f}" for name in [*layouts, *devices]]
        for device in devices:
            pairs = sorted(a / b for a, b in zip(rates[device], rates[best]))
            cells.append(f"{statistics.median(pairs):.2f} ({pairs[0]:.2f}–{pairs[-1]:.2f})")
        rows.append(cells)
        print(" | ".join(cells), flush=True)
    header = ["ANN", *(f"PyTorch {name}" for name in layouts), *devices,
              *(f"{device} ÷ PyTorch's best" for device in devices)]
    write(header, rows, arguments.rounds)


def write(header, rows, rounds):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "")
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    lines += ["", f"{os.cpu_count()} cores of {cpu}, PyTorch {torch.__version__.split('+')[0]}; medians "
              f"of {rounds} rounds, each the best of {PASSES} passes, batch {BATCH}; ratios with their range."]
    path = os.path.join(ROOT, "docs", "performance.md")
    text = open(path).read()
    marks = r"(<!-- extract -->\n).*?(<!-- /extract -->)"
    table = "\n".join(lines) + "\n"
    open(path, "w").write(re.sub(marks, lambda m: m[1] + table + m[2], text, flags=re.S))


main()
