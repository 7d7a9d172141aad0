"""From distances to radial functions, and from those to one weight for each path and channel of a convolution."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.nn.constants import KeepsFloat64
from mlzoo_mace.config import Activation, MaceConfig, PolynomialEnvelope, RadialMLP, SoftEnvelope

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "relu": functional.relu,
    "elu": functional.elu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}


def activate(x: Float[Tensor, "*N"], by: Activation) -> Float[Tensor, "*N"]:
    """A scalar function times its scale."""
    return FUNCTIONS[by.function](x) * by.scale


def envelope(x: Float[Tensor, "E"], by: PolynomialEnvelope | SoftEnvelope) -> Float[Tensor, "E"]:
    """What takes everything to zero at the cutoff, x = r/cutoff = 1.

    >>> envelope(torch.tensor([0.0, 1.0, 1.5]), PolynomialEnvelope())
    tensor([1., 0., 0.])
    """
    inside = x < 1
    if isinstance(by, SoftEnvelope):
        rest = torch.where(inside, 2 * (1 - x), 1.0)
        return torch.where(inside, 1.2 * math.exp(0.5) * torch.exp(-1 / rest), 0.0)
    p = by.power
    value = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
    return torch.where(inside, value, 0.0)


class RadialBasis(KeepsFloat64):
    """sin(w_n d)/d of the distance, or of the distance in units of the two elements' radii (Agnesi)."""

    frequencies: Tensor  # 1/Å, or 1 where the distance has no unit
    radii: Tensor | None  # Å, for each element

    def __init__(self, config: MaceConfig):
        super().__init__()
        self.by, self.cutoff = config.radial, config.cutoff
        self.register_buffer(
            "frequencies", torch.arange(1, self.by.count + 1) * math.pi / torch.tensor(config.cutoff).double()
        )
        self.register_buffer("radii", torch.ones(len(config.elements)).double() if self.by.transform else None)

    def forward(
        self, lengths: Float[Tensor, "E"], senders: Int[Tensor, "E"], receivers: Int[Tensor, "E"]
    ) -> tuple[Float[Tensor, "E K"], Float[Tensor, "E"]]:
        """Radial functions of each edge, and its envelope; ends as places of their elements in the model's list."""
        cut = envelope(lengths / self.cutoff, self.by.envelope)  # (E,)
        d = lengths if self.by.transform is None else self._agnesi(lengths, senders, receivers)
        basis = self.by.amplitude * torch.sin(d[:, None] * self.frequencies.to(d.dtype)) / d[:, None]  # (E, K)
        return basis * cut[:, None] if self.by.envelope_on == "basis" else basis, cut

    def _agnesi(self, lengths: Tensor, senders: Tensor, receivers: Tensor) -> Tensor:
        assert self.radii is not None
        assert self.by.transform is not None
        a, q, p = self.by.transform.a, self.by.transform.q, self.by.transform.p
        t = lengths / (0.5 * (self.radii[senders] + self.radii[receivers]).to(lengths.dtype))
        return 1 / (1 + a * t**q / (1 + t ** (q - p)))


class RadialPerceptron(nn.Module):
    """Linear maps with activations between them; the elements at both ends may add to the first one's output."""

    def __init__(self, by: RadialMLP, inputs: int, outputs: int, elements: int):
        super().__init__()
        self.by = by
        widths = [inputs, *by.hidden, outputs]
        self.weights = nn.ParameterList(torch.randn(pair) / pair[0] ** 0.5 for pair in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(width) for width in widths[1:]) if by.bias else None
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in by.hidden) if by.layer_norm else None
        if by.elements:
            self.sender = nn.Parameter(torch.randn(elements, widths[1]))
            self.receiver = nn.Parameter(torch.randn(elements, widths[1]))

    def forward(
        self, basis: Float[Tensor, "E K"], senders: Int[Tensor, "E"], receivers: Int[Tensor, "E"]
    ) -> Float[Tensor, "E O"]:
        x = self.before_last(basis, senders, receivers) @ self.weights[-1]
        return x if self.biases is None else x + self.biases[-1]

    def before_last(
        self, basis: Float[Tensor, "E K"], senders: Int[Tensor, "E"], receivers: Int[Tensor, "E"]
    ) -> Float[Tensor, "E H"]:
        """What the last map is linear in, but for its bias."""
        x = basis
        for layer in range(len(self.weights) - 1):
            x = x @ self.weights[layer]
            if layer == 0 and self.by.elements:
                x = x + self.sender[senders] + self.receiver[receivers]
            if self.biases is not None:
                x = x + self.biases[layer]
            x = x if self.norms is None else self.norms[layer](x)
            x = activate(x, self.by.activation)
        return x
