"""Radial functions as piecewise polynomials: what a perceptron gives for a distance, without the perceptron.

Between two knots a function is the polynomial of the fifth degree with its value, slope and curvature at both, which are
worked out in float64. Knots are added until what lies between them is right as well, to what float32 can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp

SHORTEST = 0.5  # Å; there are no knots below
KNOTS = (256, 512, 1024)
PRECISION = 2e-7  # of the largest value, and of a tenth of the slopes in 1/Å
WAY = 1e-4  # Å, between slopes whose difference is a curvature

Pair = tuple[int, int]
"""Sender and receiver, as the places of their elements in the model's list."""

RadialFunctions = Callable[[Float[Tensor, "R"], Pair], Float[Tensor, "R O"]]
"""Of distances in Å, in float64."""


class Splines:
    """Tables of radial functions, with as many knots as the pairs in ``tried`` need.

    ``knots`` is None where not even the largest number of them is enough.
    """

    def __init__(self, functions: RadialFunctions, cutoff: float, tried: Iterable[Pair]):
        self.functions = functions
        self.step = 0.0  # Å
        self.knots = next((knots for knots in KNOTS if self._suffices(knots, cutoff, tried)), None)

    def table(self, pair: Pair) -> Float[Tensor, "K 6 O"]:
        """Coefficients of the powers of the way from each knot to the next, in units of that way; in float64."""
        assert self.knots is not None
        knots = SHORTEST + self.step * torch.arange(self.knots + 1, dtype=torch.float64)
        f, slope = self._with_slope(knots, pair)
        near = {n: self._with_slope(knots + n * WAY, pair)[1] for n in (-2, -1, 1, 2)}
        curvature = (8 * (near[1] - near[-1]) - (near[2] - near[-2])) / (12 * WAY)
        d, s = slope * self.step, curvature * self.step**2
        rise, d0, d1, s0, s1 = f[1:] - f[:-1], d[:-1], d[1:], s[:-1], s[1:]
        third = 10 * rise - 6 * d0 - 4 * d1 - (3 * s0 - s1) / 2
        fourth = -15 * rise + 8 * d0 + 7 * d1 + (3 * s0 - 2 * s1) / 2
        fifth = 6 * rise - 3 * (d0 + d1) - (s0 - s1) / 2
        return torch.stack([f[:-1], d0, s0 / 2, third, fourth, fifth], dim=1)

    def _suffices(self, knots: int, cutoff: float, tried: Iterable[Pair]) -> bool:
        self.step = (cutoff - SHORTEST) / (knots - 1)  # the last polynomial begins at the cutoff, where edges may end
        self.knots = knots
        return all(self._precise(pair) for pair in tried)

    def _with_slope(self, r: Float[Tensor, "R"], pair: Pair) -> tuple[Float[Tensor, "R O"], Float[Tensor, "R O"]]:
        return jvp(lambda x: self.functions(x, pair), (r,), (torch.ones_like(r),))

    def _precise(self, pair: Pair) -> bool:
        """Whether values and slopes a third of the way between knots are those of the functions."""
        u, n = torch.tensor(1 / 3, dtype=torch.float64), torch.arange(6)
        table = self.table(pair)[:-1]
        r = SHORTEST + self.step * (torch.arange(len(table), dtype=torch.float64) + u)
        value, slope = self._with_slope(r, pair)
        errors = (table.mT @ u**n - value).abs(), (table.mT @ (n * u ** (n - 1)) / self.step - slope).abs() / 10
        return all(bool(each.max() <= PRECISION * value.abs().max()) for each in errors)
