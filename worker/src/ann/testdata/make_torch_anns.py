"""Writes checkpoints of torchvision's ANNs with random weights, at their full size, in every wrapper and container that
people have them in: ANN.WRAPPER.EXTENSION, beside ANN.plain.pth with the same weights; some 8 GB for all ANNs.

    python make_torch_anns.py DIRECTORY [ANN ...]

Needs torch, torchvision and safetensors.
"""

import sys
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel

ANNS = ["mobilenet_v2", "resnet50", "densenet121", "densenet169", "alexnet"]


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def beside(state):
    """Another network's weights of the same names."""
    return {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def wrappers(net):
    """What `torch.save` writes, by the wrapper's name."""
    state = net.state_dict()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1).state_dict()
    yield "parallel", nn.DataParallel(net).state_dict()
    yield "compiled", torch.compile(net).state_dict()
    yield "compiled_parallel", torch.compile(nn.DataParallel(net)).state_dict()
    yield "averaged", AveragedModel(net).state_dict()
    yield "lightning", {
        "epoch": 3, "global_step": 100, "pytorch-lightning_version": "2.5.0", "callbacks": {}, "loops": {},
        "state_dict": under("model.", state), "optimizer_states": [optimizer], "lr_schedulers": [],
    }
    yield "backbone", under("backbone.", state)
    yield "model_backbone", {"state_dict": under("model.backbone.module.", state), "epoch": 3}
    yield "moco", {
        "epoch": 3, "arch": "resnet50", "optimizer": optimizer,
        "state_dict": under("module.encoder_q.", state) | under("module.encoder_k.", beside(state))
        | {"module.queue": torch.zeros(4, 2), "module.queue_ptr": torch.zeros(1, dtype=torch.long)},
    }
    sharded = {name.replace(".", "._fsdp_wrapped_module.", 1): tensor for name, tensor in state.items()}
    yield "fsdp", under("_fsdp_wrapped_module.", sharded)
    yield "checkpointed", {n.replace(".", "._checkpoint_wrapped_module.", 1): t for n, t in state.items()}
    yield "deepspeed", {"module": under("_forward_module.", state), "epoch": 3}
    yield "reference", {"model": state, "optimizer": optimizer, "epoch": 3, "model_ema": AveragedModel(net).state_dict()}
    yield "imagenet_example", {"epoch": 3, "arch": "net", "state_dict": under("module.", state), "best_acc1": 70.1}
    yield "ema_beside", {"state_dict": state, "state_dict_ema": beside(state)}
    yield "net", {"net": state, "acc": 70.1, "epoch": 3}
    yield "weights", {"weights": state}
    yield "distiller", {
        "epoch": 3, "arch": "net", "state_dict": under("module.", state), "optimizer_state_dict": optimizer,
        "compression_sched": {"masks_dict": {"module." + name: None for name in state}}, "extras": {"best_top1": 70.1},
    }
    yield "whole", net


def main(directory, *names):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name in names or ANNS:
        torch.manual_seed(1)
        net = getattr(torchvision.models, name)(weights=None).eval()
        at = lambda kind: directory / f"{name}.{kind}"
        torch.save(net.state_dict(), at("plain.pth"))
        for kind, what in wrappers(net):
            torch.save(what, at(f"{kind}.pth"))
        torch.save(net.state_dict(), at("legacy.pth"), _use_new_zipfile_serialization=False)
        torch.save({"state_dict": under("module.", net.state_dict())}, at("tar.pth.tar"), pickle_protocol=4)
        save_file(net.state_dict(), at("safetensors.safetensors"))
        # A mask of ones: the product is the weight.
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                prune.identity(module, "weight")
        torch.save(net.state_dict(), at("masked.pth"))
        print(name, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
