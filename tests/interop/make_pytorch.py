"""Makes pytorch/: files as torch.save writes them, with their tensors as safetensors, and some that are to be refused.

usage: python make_pytorch.py        (torch, numpy, safetensors)
"""
import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "pytorch"


class AsksForOsSystem:
    def __reduce__(self):
        return os.system, ("echo executed > executed",)


def compress(source, target):
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(target, "w") as write:
        for name in read.namelist():
            write.writestr(zipfile.ZipInfo(name), read.read(name), zipfile.ZIP_DEFLATED)


def main():
    OUT.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    grid = torch.tensor(rng.normal(size=(6, 8)), dtype=torch.float32)
    whole = torch.tensor(rng.normal(size=(4, 10)), dtype=torch.float32)
    state = OrderedDict(
        plain=grid.clone(),
        transposed=grid.clone().t(),  # stride (1, 8)
        column=grid.clone()[:, 3],  # stride 8, from element 3
        every_other=grid.clone()[1::2, ::2],
        top=whole[:2],  # two views of one storage
        bottom=whole[2:],
        scalar=torch.tensor(-1e9),
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(grid[:2].clone()),
        half=grid[0].to(torch.float16),
        bfloat16=grid[1].to(torch.bfloat16),
        double=grid[2].to(torch.float64),
        int64=torch.tensor([-(2**40), 0, 7]),
        int32=torch.tensor([-5, 6], dtype=torch.int32),
        uint8=torch.tensor([0, 255], dtype=torch.uint8),
        bool=torch.tensor([[True, False], [False, True]]),
    )
    torch.save(state, OUT / "kinds.pt")
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in state.items()}, OUT / "kinds.safetensors")
    plain = {"epoch": 3, "lr": 1e-3, "name": "ünï", "history": [1.5, None, (True, {"a": 2**40})]}
    torch.save({"weight": grid, **plain}, OUT / "mixed.pt")
    torch.save({"weight": grid, **plain}, OUT / "protocol_4.pt", pickle_protocol=4)
    module = torch.nn.Linear(8, 6, bias=False)
    module.weight.data.copy_(grid)
    torch.save(module.state_dict(), OUT / "state_dict.pt")  # an OrderedDict with attributes

    torch.save({"weight": grid, "extra": AsksForOsSystem()}, OUT / "os_system.pt")
    torch.save(module, OUT / "module.pt")
    torch.save({"weight": grid.to_sparse()}, OUT / "sparse.pt")
    torch.save({"weight": grid}, OUT / "before_1_6.pt", _use_new_zipfile_serialization=False)
    compress(OUT / "mixed.pt", OUT / "compressed.pt")


if __name__ == "__main__":
    main()
