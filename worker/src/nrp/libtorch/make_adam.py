"""Makes adam.pt: LibTorch's fused Adam as a TorchScript module, since tch binds no function for it.

Lists come from outside: of lists made inside, TorchScript takes the step for one that nobody sees, and drops it.
"""
import os
from typing import List

import torch
from torch import Tensor


class Adam(torch.nn.Module):
    def forward(self, weights: List[Tensor], gradients: List[Tensor], first: List[Tensor], second: List[Tensor],
                steps: List[Tensor], beta_1: float, beta_2: float, epsilon: float) -> None:
        torch._fused_adam_(weights, gradients, first, second, [], steps, lr=1.0, beta1=beta_1, beta2=beta_2,
                           weight_decay=0.0, eps=epsilon, amsgrad=False, maximize=False)


torch.jit.script(Adam()).save(os.path.join(os.path.dirname(os.path.abspath(__file__)), "adam.pt"))
