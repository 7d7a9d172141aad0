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
from mlzoo_mace.config import (
    Activation,
    Agnesi,
    Bessel,
    Gaussian,
    MaceConfig,
    PolynomialEnvelope,
    RadialMLP,
    SoftEnvelope,
    SoftTransform,
)

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "relu": functional.relu,
    "elu": functional.elu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "abs": torch.abs,
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


def transformed(r: Float[Tensor, "E"], radii: Float[Tensor, "E"], by: Agnesi | SoftTransform) -> Float[Tensor, "E"]:
    """What radial functions read in place of a distance; ``radii`` are sums of those of both elements, Å."""
    if isinstance(by, SoftTransform):
        near, far = 0.75 * radii, 4 / 3 * radii
        return near + 0.5 * (r - near) * (1 + torch.tanh(by.steepness * (r - (near + far) / 2) / (far - near)))
    t = r / (0.5 * radii)
    return 1 / (1 + by.a * t**by.q / (1 + t ** (by.q - by.p)))


def chebyshev(x: Float[Tensor, "E"], count: int) -> Float[Tensor, "E K"]:
    """T_1 to T_count, the polynomials with T_n(cos t) = cos(n t), outside of (−1, 1) as well.

    >>> chebyshev(torch.tensor([2.0]), 3)
    tensor([[ 2.,  7., 26.]])
    """
    before, each = torch.ones_like(x), [x]
    for _ in range(count - 1):
        each.append(2 * x * each[-1] - before)
        before = each[-2]
    return torch.stack(each, dim=1)


class RadialBasis(KeepsFloat64):
    """Functions of the distance, or of what it is transformed to by the radii of the two elements."""

    frequencies: Tensor | None  # 1/Å, or 1 where the distance has no unit
    centres: Tensor | None  # Å, or 1
    radii: Tensor | None  # Å, for each element

    def __init__(self, config: MaceConfig):
        super().__init__()
        self.by, self.cutoff = config.radial, config.cutoff
        count, cutoff = self.by.count, torch.tensor(config.cutoff).double()
        waves = torch.arange(1, count + 1) * math.pi / cutoff
        centres = torch.linspace(0, config.cutoff, count, dtype=torch.float64)
        self.register_buffer("frequencies", waves if isinstance(self.by.functions, Bessel) else None)
        self.register_buffer("centres", centres if isinstance(self.by.functions, Gaussian) else None)
        self.register_buffer("radii", torch.ones(len(config.elements)).double() if self.by.transform else None)

    def forward(
        self, lengths: Float[Tensor, "E"], senders: Int[Tensor, "E"], receivers: Int[Tensor, "E"]
    ) -> tuple[Float[Tensor, "E K"], Float[Tensor, "E"]]:
        """Radial functions of each edge, and its envelope; ends as places of their elements in the model's list."""
        cut = envelope(lengths / self.cutoff, self.by.envelope)  # (E,)
        d = lengths
        if self.by.transform is not None:
            assert self.radii is not None
            d = transformed(lengths, (self.radii[senders] + self.radii[receivers]).to(lengths.dtype), self.by.transform)
        basis = self._functions(d)  # (E, K)
        return basis * cut[:, None] if self.by.envelope_on == "basis" else basis, cut

    def _functions(self, d: Float[Tensor, "E"]) -> Float[Tensor, "E K"]:
        amplitude = self.by.amplitude
        if isinstance(self.by.functions, Gaussian):
            assert self.centres is not None
            return amplitude * torch.exp(
                -0.5 * ((d[:, None] - self.centres.to(d.dtype)) / self.by.functions.width) ** 2
            )
        if isinstance(self.by.functions, Bessel):
            assert self.frequencies is not None
            return amplitude * torch.sin(d[:, None] * self.frequencies.to(d.dtype)) / d[:, None]
        return amplitude * chebyshev(d, self.by.count)


class RadialPerceptron(nn.Module):
    """Linear maps with activations between them; the atoms at both ends may add to the first one's output."""

    def __init__(self, by: RadialMLP, inputs: int, outputs: int, elements: int, channels: int):
        super().__init__()
        self.by = by
        widths = [inputs, *by.hidden, outputs]
        self.weights = nn.ParameterList(torch.randn(pair) / pair[0] ** 0.5 for pair in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(width) for width in widths[1:]) if by.bias else None
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in by.hidden) if by.layer_norm else None
        if by.elements:
            self.sender = nn.Parameter(torch.randn(elements, widths[1]))
            self.receiver = nn.Parameter(torch.randn(elements, widths[1]))
        elif by.features:
            self.sender = nn.Parameter(torch.randn(channels, widths[1]) / channels**0.5)
            self.receiver = nn.Parameter(torch.randn(channels, widths[1]) / channels**0.5)

    def forward(
        self,
        basis: Float[Tensor, "E K"],
        senders: Int[Tensor, "E"],
        receivers: Int[Tensor, "E"],
        scalars: Float[Tensor, "A C"] | None = None,
    ) -> Float[Tensor, "E O"]:
        """Both ends as atoms, whose features are ``scalars``, or as places of their elements."""
        x = self.before_last(basis, senders, receivers, scalars) @ self.weights[-1]
        return x if self.biases is None else x + self.biases[-1]

    def before_last(
        self,
        basis: Float[Tensor, "E K"],
        senders: Int[Tensor, "E"],
        receivers: Int[Tensor, "E"],
        scalars: Float[Tensor, "A C"] | None = None,
    ) -> Float[Tensor, "E H"]:
        """What the last map is linear in, but for its bias."""
        x = basis
        for layer in range(len(self.weights) - 1):
            x = x @ self.weights[layer]
            if layer == 0 and self.by.elements:
                x = x + self.sender[senders] + self.receiver[receivers]
            elif layer == 0 and self.by.features:
                assert scalars is not None
                x = x + (scalars @ self.sender)[senders] + (scalars @ self.receiver)[receivers]
            if self.biases is not None:
                x = x + self.biases[layer]
            x = x if self.norms is None else self.norms[layer](x)
            x = activate(x, self.by.activation)
        return x
