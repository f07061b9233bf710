"""Makes files of every kind that PyTorch and those around it write, with the weights of
`../../testdata/torchvision_tiny.pth`. Needs torch, torchvision, numpy and safetensors:

    python make_torch_files.py

* `tiny_*`          the small network in another container, wrapper, layout or type
* `kind_*`          what is no state dict, or has tensors that are not dense floats
* `NAME.pth`        the names of torchvision's network NAME: every tensor is one number, its place in the
                    state dict (counters left out), expanded to the tensor's shape; zipped again by deflate
"""

import copy
import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile

import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORKS = ["mobilenet_v2", "resnet50", "densenet121", "densenet169", "alexnet"]


def at(name):
    return os.path.join(HERE, name)


def save(name, what, **how):
    torch.save(what, at(name), **how)


def layers():
    """The first layers of every kind that a state can hold."""
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(3, 4, 3))
    net.add_module("bn", nn.BatchNorm2d(4))
    net.add_module("depthwise", nn.Conv2d(4, 4, 3, groups=4, bias=False))
    net.add_module("fc", nn.Linear(4, 5))
    return net


def tiny():
    net = layers()
    net.load_state_dict(torch.load(at("../../testdata/torchvision_tiny.pth")))
    return net


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def scaled(state, factor):
    return {name: tensor * factor for name, tensor in state.items()}


def types_and_layouts(net, state):
    legacy = {"_use_new_zipfile_serialization": False}
    save("tiny_legacy.pth", state, **legacy)
    save("tiny_legacy_protocol_4.pth", {"state_dict": state, "epoch": 3}, pickle_protocol=4, **legacy)
    save("tiny_protocol_5.pth", state, pickle_protocol=5)
    save("tiny_half.pth", {n: t.half() if t.is_floating_point() else t for n, t in state.items()})
    save("tiny_bfloat16.pth", {n: t.bfloat16() if t.is_floating_point() else t for n, t in state.items()})
    save("tiny_double.pth", {n: t.double() if t.is_floating_point() else t for n, t in state.items()})
    save("tiny_parameters.pth", dict(net.named_parameters()) | dict(net.named_buffers()))
    save_file({n: t.half() for n, t in state.items()}, at("tiny_half_safetensors.bin"))
    # Kernels transposed in memory, all within one storage.
    whole = torch.zeros(400)
    views, place = {}, 7
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        shape = tensor.shape[::-1]
        view = whole[place : place + tensor.numel()].view(shape).permute(*reversed(range(tensor.ndim)))
        view.copy_(tensor)
        views[name] = view
        place += tensor.numel() + 1
    save("tiny_views.pth", views)
    save("tiny_legacy_views.pth", views, **legacy)
    save("tiny_channels_last.pth", copy.deepcopy(net).to(memory_format=torch.channels_last).state_dict())


def containers(net, state):
    ema = AveragedModel(net)
    ema.load_state_dict(ema.state_dict() | {"module." + n: t * 2 for n, t in state.items()})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sum(p.sum() for p in net.parameters()).backward()
    optimizer.step()
    net.load_state_dict(state)
    for key in ["net", "weights", "state_dict_ema", "teacher"]:
        save(f"tiny_{key}.pth", {key: state, "epoch": 3})
    save("tiny_ema_beside.pth", {"state_dict_ema": scaled(state, 2), "state_dict": state})
    # torchvision's own training script.
    save("tiny_reference.pth", {
        "model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "model_ema": ema.state_dict(),
    })
    save("tiny_averaged.pth", ema.state_dict())
    save("tiny_lightning.pth", {
        "epoch": 3, "global_step": 100, "pytorch-lightning_version": "2.5.0", "loops": {}, "callbacks": {},
        "state_dict": under("model.", state), "optimizer_states": [optimizer.state_dict()],
        "hyper_parameters": {"lr": 0.1},
    })
    save("tiny_moco.pth", {
        "epoch": 3, "arch": "resnet50",
        "state_dict": under("module.encoder_k.", scaled(state, 2)) | under("module.encoder_q.", state)
        | {"module.queue": torch.zeros(4, 2), "module.queue_ptr": torch.zeros(1, dtype=torch.long)},
        "optimizer": optimizer.state_dict(),
    })
    # Two networks, neither of which comes first.
    save("tiny_dino.pth", {"student": under("module.backbone.", scaled(state, 2)), "teacher": under("backbone.", state)})
    save("tiny_wrapped.pth", torch.compile(nn.DataParallel(net)).state_dict())
    save("tiny_twice.pth", state | under("module.", scaled(state, 2)))
    save("tiny_shared.pth", under("a.", state) | under("b.", state))
    save("tiny_counted.pth", state | {"total_ops": torch.zeros(1), "conv.total_ops": torch.zeros(1).double()})
    save("tiny_list.pth", [state, {"lr": 0.1}])
    save("tiny_extra.pth", state | {"bn.filter": torch.zeros(3, 3), "head.weight": torch.zeros(2, 4)})
    save("tiny_other_head.pth", under("module.", {n: t for n, t in state.items() if not n.startswith("fc")})
         | {"module.fc.weight": torch.zeros(2, 4), "module.head.bias": torch.zeros(2)})
    save("tiny_missing.pth", {n: t for n, t in state.items() if n != "bn.running_mean"})
    return optimizer


def pruned(state, optimizer):
    net = tiny()
    for module in [net.conv, net.depthwise]:
        prune.l1_unstructured(module, "weight", amount=0.5)
    prune.l1_unstructured(net.conv, "bias", amount=0.5)
    save("tiny_pruned.pth", {"state_dict": under("module.", net.state_dict())})
    # Distiller's save_checkpoint, of a network in DataParallel, and as its example wrote before.
    masks = {"module." + n: (t.abs() > 0.1).float() if n == "conv.weight" else None for n, t in state.items()}
    masked = under("module.", state)
    masked["module.conv.weight"] = masked["module.conv.weight"] * masks["module.conv.weight"]
    checkpoint = {
        "epoch": 3, "arch": "resnet50", "state_dict": masked,
        "optimizer_state_dict": optimizer.state_dict(), "optimizer_type": type(optimizer),
        "compression_sched": {"masks_dict": masks}, "extras": {"best_top1": 70.1},
    }
    save("tiny_distiller.pth.tar", checkpoint)
    save("tiny_distiller_older.pth.tar", {
        "epoch": 3, "arch": "resnet50", "state_dict": under("module.", state), "best_top1": 70.1,
        "optimizer": optimizer.state_dict(), "compression_sched": {"masks_dict": masks},
    }, _use_new_zipfile_serialization=False)


def kinds(net, state):
    save("kind_sparse.pth", state | {"conv.weight": state["conv.weight"].to_sparse()})
    save("kind_sparse_head.pth", state | {"fc.weight": state["fc.weight"].to_sparse()})
    quantised = torch.quantize_per_tensor(state["conv.weight"], 0.1, 0, torch.qint8)
    save("kind_quantised.pth", state | {"conv.weight": quantised})
    save("kind_integers.pth", state | {"conv.weight": state["conv.weight"].mul(100).to(torch.int8)})
    save("kind_complex.pth", state | {"conv.weight": state["conv.weight"].to(torch.complex64)})
    save("kind_float8.pth", state | {"conv.weight": state["conv.weight"].to(torch.float8_e4m3fn)})
    save("kind_meta.pth", {n: t.to("meta") for n, t in state.items()})
    save("kind_numpy.pth", {n: t.numpy() for n, t in state.items()})
    save("kind_tensor.pth", state["conv.weight"])
    save("kind_nothing.pth", {"epoch": 3, "args": {"lr": 0.1}})
    save("kind_nan.pth", state | {"conv.weight": state["conv.weight"] * float("nan")})
    torch.jit.script(net[:3]).save(at("kind_torchscript.pt"))
    with open(at("kind_pickle.pkl"), "wb") as file:
        pickle.dump({"conv.weight": state["conv.weight"].numpy().tolist()}, file)
    with open(at("kind_tar.tar"), "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        archive.add(at("tiny_net.pth"), "tiny_net.pth")
    with gzip.GzipFile(at("kind_gzip.pth.gz"), "wb", mtime=0) as file:
        file.write(open(at("tiny_net.pth"), "rb").read())
    with zipfile.ZipFile(at("kind_zip.zip"), "w") as archive:
        archive.write(at("tiny_net.pth"), "run/tiny_net.pth")
    with open(at("kind_index.json"), "w") as file:
        json.dump({"metadata": {}, "weight_map": {"conv.weight": "model-00001-of-00002.safetensors"}}, file)
    with open(at("kind_lfs.pth"), "w") as file:
        file.write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4773\n")
    with open(at("kind_page.pth"), "w") as file:
        file.write("<!DOCTYPE html><html></html>\n")


def deflated(name, what, protocol=4):
    """Saves `what`, and packs the archive again by deflate, without alignment."""
    packed = io.BytesIO()
    torch.save(what, packed, pickle_protocol=protocol)
    source = zipfile.ZipFile(packed)
    with zipfile.ZipFile(at(name), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for entry in source.namelist():
            info = zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, source.read(entry))


def numbered(net):
    """Makes tensor i of the state dict the number i, of one storage for all."""
    places = torch.arange(2000, dtype=torch.float32)
    count = 0
    for name, tensor in net.state_dict(keep_vars=True).items():
        if tensor.is_floating_point():
            tensor.data = places[count].expand(tensor.shape)
            count += 1
    return net


def networks():
    for name in NETWORKS:
        with torch.device("meta"):
            net = getattr(torchvision.models, name)(weights=None)
        net = numbered(net.to_empty(device="cpu"))
        deflated(f"{name}.pth", dict(net.state_dict()))


def main():
    torch.manual_seed(0)
    net = tiny()
    state = net.state_dict()
    types_and_layouts(net, state)
    optimizer = containers(net, {n: t.clone() for n, t in state.items()})
    pruned(state, optimizer)
    kinds(net, state)
    networks()


if __name__ == "__main__":
    main()
