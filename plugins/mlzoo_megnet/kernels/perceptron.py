"""A perceptron with constant parameters, forward only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlzoo.nn.mlp import MLP, SoftPlus2
from mlzoo_megnet.kernels import loops


class FrozenPerceptron:
    """Matrix products by PyTorch, bias and activation in one sweep."""

    def __init__(self, mlp: MLP | Sequence[nn.Module]):
        steps = list(mlp)
        linear = [step for step in steps if isinstance(step, nn.Linear)]
        self.weights = [each.weight.detach().T.contiguous() for each in linear]
        self.biases = [each.bias.detach().numpy() for each in linear]
        self.activated = [*[True] * (len(linear) - 1), isinstance(steps[-1], SoftPlus2)]

    def __call__(self, x: Tensor) -> Tensor:
        for weight, bias, activated in zip(self.weights, self.biases, self.activated, strict=True):
            x = torch.mm(x, weight)
            (loops.activate if activated else loops.add_bias)(x.numpy(), bias)
        return x
