"""Writes `two_networks.pth`, a file of PyTorch's with two networks, whose weights are all 0 (`student`) and all 1
(`teacher`), with torch 2.15 and torchvision. Run from this folder: `python make_two_networks.py`.

Every tensor is one number, expanded to its shape; the archive is packed again by deflate.
"""

import io
import zipfile

import torch
import torchvision


def network(number):
    with torch.device("meta"):
        state = torchvision.models.mobilenet_v2(weights=None).state_dict()
    number = torch.tensor(float(number))
    return {name: number.expand(of.shape) for name, of in state.items() if of.is_floating_point()}


def main():
    packed = io.BytesIO()
    networks = {"student": network(0), "teacher": {"module." + name: of for name, of in network(1).items()}}
    torch.save(networks, packed, pickle_protocol=4)
    source = zipfile.ZipFile(packed)
    with zipfile.ZipFile("two_networks.pth", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for entry in source.namelist():
            info = zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, source.read(entry))


if __name__ == "__main__":
    main()
