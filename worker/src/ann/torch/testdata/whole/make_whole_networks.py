"""Makes whole networks, pickled by `torch.save(net, …)`: torchvision's, and others that have the same weights.
Needs torch and torchvision:

    python make_whole_networks.py

Tensor i of a network's state dict (counters left out) is the number i.

* `NAME.pth`, `NAME_ok_*.pth`   compute what torchvision's network NAME does
* `NAME_not_*.pth`              do not, or nobody can know it without running their code; where PyTorch pickles no
                              such network, its state dict
"""

import copy
import functools
import os
import sys
from collections import OrderedDict

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel
from torchvision.models import segmentation
from torchvision.models._utils import IntermediateLayerGetter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from make_torch_files import deflated, numbered


def make(name, factory=None, **how):
    with torch.device("meta"):
        net = (factory or getattr(torchvision.models, name))(weights=None, **how)
    return numbered(net.to_empty(device="cpu"))


def write(name, what, **how):
    deflated(f"whole/{name}.pth", what, **how)


def changed(name, variant, change):
    net = make(name)
    write(f"{name}_{variant}", change(net) or net)


class Scaled(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return 2 * self.module(x)


class Other(torchvision.models.AlexNet):
    def forward(self, x):
        return super().forward(x.flip(-1))


class OtherReLU(nn.ReLU):
    def forward(self, x):
        return F.gelu(x)


def twice(module, x, *answer):
    return 2 * (answer or x)[0]


def replaced(of, name, module):
    """Puts `module` in the place of the one called `name`, in the order that it has."""
    outer, _, last = name.rpartition(".")
    of.get_submodule(outer)._modules[last] = module


def inserted(of, name, module):
    """Puts `module` behind the one called `name`, under another name."""
    outer, _, last = name.rpartition(".")
    outer = of.get_submodule(outer)
    children = list(outer._modules.items())
    outer._modules.clear()
    for at, child in children:
        outer._modules[at] = child
        if at == last:
            outer._modules[at + "a"] = module


def removed(of, name):
    outer, _, last = name.rpartition(".")
    del of.get_submodule(outer)._modules[last]


def exchanged(of, name, other):
    """Exchanges two neighbours in their order."""
    outer, _, last = name.rpartition(".")
    outer = of.get_submodule(outer)
    children = list(outer._modules.items())
    places = [at for at, _ in children]
    a, b = places.index(last), places.index(other)
    children[a], children[b] = children[b], children[a]
    outer._modules.clear()
    outer._modules.update(children)


def attributes(of, name, **values):
    for attribute, value in values.items():
        setattr(of.get_submodule(name), attribute, value)


def taken():
    for name in ["mobilenet_v2", "resnet50", "densenet121", "alexnet"]:
        write(name, make(name))
    net = make("alexnet")
    write("alexnet_ok_data_parallel", nn.DataParallel(net))
    write("alexnet_ok_compiled", torch.compile(net))
    write("alexnet_ok_averaged", numbered(AveragedModel(net)))
    write("alexnet_ok_behind_identities", nn.Sequential(nn.Identity(), nn.Sequential(nn.Dropout(0.1)), net))
    write("alexnet_ok_wrappers", {"model": torch.compile(nn.DataParallel(net)), "epoch": 3})
    write("alexnet_ok_beside_state_dict", {"state_dict": net.state_dict(), "net": net})
    write("alexnet_ok_protocol_1", net, protocol=1)
    write("alexnet_ok_protocol_5", net, protocol=5)
    changed("alexnet", "ok_checkpointed", lambda of: replaced(of, "features", checkpoint_wrapper(of.features)))
    changed("alexnet", "ok_dropout", lambda of: inserted(of, "features.5", nn.Dropout(0.1)))
    changed("alexnet", "ok_no_dropout", lambda of: replaced(of, "classifier.0", nn.Identity()))
    changed("alexnet", "ok_pool", lambda of: replaced(of, "avgpool", nn.AvgPool2d(1)))
    changed("alexnet", "ok_more", lambda of: of.add_module("more", nn.GELU()))
    changed("alexnet", "ok_pruned", lambda of: prune.identity(of.features[0], "weight") and None)
    changed("densenet121", "ok_pool", lambda of: replaced(of, "features.transition1.pool", nn.AdaptiveAvgPool2d(28)))
    changed("resnet50", "ok_quantised_head", quantised_head)
    changed("resnet50", "ok_synchronised", nn.SyncBatchNorm.convert_sync_batchnorm)
    changed("resnet50", "ok_layers", lambda of: IntermediateLayerGetter(of, {"layer2": "out"}))
    changed("resnet50", "ok_sequence", lambda of: nn.Sequential(OrderedDict(list(of.named_children())[:-2])))
    write("resnet50_ok_segmentation", make("resnet50", segmentation.fcn_resnet50, weights_backbone=None))


def quantised_head(net):
    net.fc = nn.Linear(2048, 2)
    torch.ao.quantization.quantize_dynamic(net.eval(), inplace=True)


def other_code():
    write("alexnet_not_subclass", make("alexnet", lambda weights: Other()))
    changed("alexnet", "not_subclassed_relu", lambda of: replaced(of, "features.1", OtherReLU()))
    changed("alexnet", "not_scaled_within", lambda of: replaced(of, "features", Scaled(of.features)))
    changed("alexnet", "not_scaled", Scaled)
    changed("alexnet", "not_hooked", lambda of: of.features[4].register_forward_hook(twice) and None)
    changed("alexnet", "not_hooked_before", lambda of: of.register_forward_pre_hook(twice) and None)
    changed("alexnet", "not_hooked_dropout", lambda of: of.classifier[0].register_forward_hook(twice) and None)
    changed("alexnet", "not_hooked_wrapper", lambda of: hooked(nn.DataParallel(of)))
    changed("alexnet", "not_patched", lambda of: attributes(of, "features.4", forward=F.gelu))
    changed("alexnet", "not_patched_net", lambda of: attributes(of, "", forward=functools.partial(twice, None)))
    changed("alexnet", "not_behind_normalize",
            lambda of: nn.Sequential(torchvision.transforms.Normalize([0.5] * 3, [0.5] * 3), of))
    changed("alexnet", "not_behind_conv", lambda of: nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1)), of))
    changed("alexnet", "not_list", lambda of: replaced(of, "features", nn.ModuleList(of.features)))
    for variant, norm in {
        "weight_norm": nn.utils.parametrizations.weight_norm, "spectral_norm": nn.utils.parametrizations.spectral_norm,
    }.items():
        net = make("alexnet")
        norm(net.features[3])
        # PyTorch pickles no such networks.
        write(f"alexnet_not_{variant}", net.state_dict())
    changed("alexnet", "not_old_weight_norm", lambda of: nn.utils.weight_norm(of.features[3]) and None)
    changed("alexnet", "not_old_spectral_norm", lambda of: nn.utils.spectral_norm(of.features[3]) and None)
    net = make("alexnet")
    net.features[1] = nn.ReLU6()
    write("alexnet_not_beside_state_dict", {"state_dict": net.state_dict(), "net": net})
    write("alexnet_not_beside_copy", {"net": net, "state_dict": copy.deepcopy(net.state_dict())})
    sound = make("alexnet")
    for module, of in zip(net.modules(), sound.modules()):
        module._parameters = dict(of._parameters)
    write("alexnet_not_beside_twin", {"net": sound, "other": net})
    write("resnet50_not_quantizable", make("resnet50", torchvision.models.quantization.resnet50, quantize=False))
    write("mobilenet_v2_not_quantizable",
          make("mobilenet_v2", torchvision.models.quantization.mobilenet_v2, quantize=False))
    changed("densenet121", "not_layers", lambda of: IntermediateLayerGetter(of, {"features": "out"}))


def hooked(net):
    net.register_forward_hook(twice)
    return net


def other_layers():
    for variant, module in {
        "relu6": nn.ReLU6(), "leaky": nn.LeakyReLU(), "identity": nn.Identity(),
        "sequence": nn.Sequential(nn.ReLU(), nn.GELU()),
    }.items():
        changed("alexnet", f"not_{variant}", lambda of, module=module: replaced(of, "features.1", module))
    for variant, module in {
        "ceil": nn.MaxPool2d(3, 2, ceil_mode=True), "average": nn.AvgPool2d(3, 2), "no_pool": nn.Identity(),
        "pool_dilated": nn.MaxPool2d(3, 2, dilation=2), "pool_small": nn.MaxPool2d(2, 2),
        "pool_padded": nn.MaxPool2d(3, 2, padding=1), "pool_adaptive": nn.AdaptiveMaxPool2d(27),
    }.items():
        changed("alexnet", f"not_{variant}", lambda of, module=module: replaced(of, "features.2", module))
    for variant, values in {
        "stride": {"stride": (2, 2)}, "dilated": {"dilation": (2, 2), "padding": (4, 4)}, "groups": {"groups": 2},
        "padding": {"padding": (1, 1)}, "padding_same": {"padding": "same"}, "oblong": {"stride": (1, 2)},
        "reflect": {"padding_mode": "reflect", "_reversed_padding_repeated_twice": [2] * 4},
    }.items():
        changed("alexnet", f"not_{variant}", lambda of, values=values: attributes(of, "features.3", **values))
    changed("alexnet", "not_last_pool", lambda of: replaced(of, "avgpool", nn.AdaptiveMaxPool2d(6)))
    changed("alexnet", "not_without_relu", lambda of: removed(of, "features.1"))
    changed("alexnet", "not_in_order", lambda of: exchanged(of, "features.1", "2"))
    changed("alexnet", "not_more", lambda of: inserted(of, "features.12", nn.GELU()))
    changed("alexnet", "not_more_between", lambda of: inserted(of, "classifier.1", nn.Sequential(nn.Sigmoid())))
    changed("alexnet", "not_dropout", lambda of: replaced(of, "classifier.0", nn.GELU()))
    changed("mobilenet_v2", "not_added", lambda of: attributes(of, "features.3", use_res_connect=False))
    changed("mobilenet_v2", "not_cut", lambda of: attributes(of, "features.0.2", max_val=20.0))
    changed("mobilenet_v2", "not_without_relu", lambda of: removed(of, "features.4.conv.1.2"))
    changed("mobilenet_v2", "not_more", lambda of: inserted(of, "features.4.conv.3", nn.Hardswish()))
    changed("resnet50", "not_epsilon", lambda of: attributes(of, "layer4.1.bn2", eps=1e-3))
    changed("resnet50", "not_relu", lambda of: replaced(of, "layer1.1.relu", nn.GELU()))
    changed("resnet50", "not_function", function_for_relu)
    changed("resnet50", "not_shortcut", lambda of: attributes(of, "layer1.1", downsample=nn.MaxPool2d(3, 1, 1)))
    changed("resnet50", "not_shortcut_pool", shortcut_pool)
    changed("resnet50", "not_version_1", version_1)
    dilated = make("resnet50", replace_stride_with_dilation=[False, False, True])
    write("resnet50_not_dilated", nn.DataParallel(dilated))
    changed("densenet121", "not_divided", lambda of: attributes(of, "features.transition1.pool", divisor_override=3))
    changed("densenet121", "not_in_order", lambda of: exchanged(of, "features.norm0", "relu0"))
    changed("densenet121", "not_in_order_within",
            lambda of: exchanged(of, "features.denseblock2.denselayer1", "denselayer2"))
    changed("densenet121", "not_more",
            lambda of: inserted(of, "features.denseblock1.denselayer6", nn.AdaptiveAvgPool2d(56)))


def function_for_relu(net):
    del net.layer1[1].relu
    net.layer1[1].relu = F.gelu


def shortcut_pool(net):
    """ResNet-D's shortcut, with the names of the first version's."""
    conv, norm = net.layer2[0].downsample
    conv.stride = (1, 1)
    named = [("pool", nn.AvgPool2d(2)), ("0", conv), ("1", norm)]
    replaced(net, "layer2.0.downsample", nn.Sequential(OrderedDict(named)))


def version_1(net):
    for layer in [net.layer2, net.layer3, net.layer4]:
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)


if __name__ == "__main__":
    torch.manual_seed(0)
    taken()
    other_code()
    other_layers()
