"""Radial functions as piecewise polynomials: what a perceptron gives for a distance, without the perceptron.

Between two knots a function is the polynomial of the fifth degree with its value, slope and curvature at both, which are
worked out in float64. Knots are a constant factor apart, as functions of short distances are steep ones; they are added until
what lies between them is right as well, to what float32 can tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

SHORTEST = 0.5  # Å; there are no knots below
KNOTS = (128, 192, 256, 384, 512, 1024)
PRECISION = 2e-7  # of the largest value, and of a tenth of the slopes in 1/Å
WAY = 1e-3  # of the way between two knots, between slopes whose difference is a curvature

Pair = tuple[int, int]
"""Sender and receiver, as the places of their elements in the model's list."""

RadialFunctions = Callable[[Float[Tensor, "R"], Int[Tensor, "R"], Int[Tensor, "R"]], Float[Tensor, "R O"]]
"""Of distances in Å, in float64, between senders and receivers of these elements."""


class Splines:
    """Tables of radial functions, with as many knots as the pairs in ``tried`` need.

    ``knots`` is None where not even the largest number of them is enough.
    """

    def __init__(self, functions: RadialFunctions, cutoff: float, tried: Sequence[Pair]):
        self.functions = functions
        self.step = 0.0  # of the logarithm of a distance
        self.knots = next((knots for knots in KNOTS if self._suffices(knots, cutoff, tried)), None)

    def places(self, lengths: Float[Tensor, "E"]) -> Float[Tensor, "E"]:
        """Distances in Å by the knots: the whole part is a knot's number."""
        return torch.log(lengths / SHORTEST) / self.step

    def tables(self, pairs: Sequence[Pair]) -> Float[Tensor, "Z K 6 O"]:
        """Coefficients of the powers of the way from each knot to the next, in units of that way; in float64."""
        assert self.knots is not None
        knots = torch.arange(self.knots + 1, dtype=torch.float64)
        f, d = self._with_slope(knots, pairs)
        near = {n: self._with_slope(knots + n * WAY, pairs)[1] for n in (-2, -1, 1, 2)}
        s = (8 * (near[1] - near[-1]) - (near[2] - near[-2])) / (12 * WAY)
        rise, d0, d1, s0, s1 = f[:, 1:] - f[:, :-1], d[:, :-1], d[:, 1:], s[:, :-1], s[:, 1:]
        third = 10 * rise - 6 * d0 - 4 * d1 - (3 * s0 - s1) / 2
        fourth = -15 * rise + 8 * d0 + 7 * d1 + (3 * s0 - 2 * s1) / 2
        fifth = 6 * rise - 3 * (d0 + d1) - (s0 - s1) / 2
        return torch.stack([f[:, :-1], d0, s0 / 2, third, fourth, fifth], dim=2)

    def _suffices(self, knots: int, cutoff: float, tried: Sequence[Pair]) -> bool:
        """Whether values and slopes a third of the way between knots are those of the functions."""
        # the last polynomial begins at the cutoff, where edges may end
        self.step = math.log(cutoff / SHORTEST) / (knots - 1)
        self.knots = knots
        u, n = torch.tensor(1 / 3, dtype=torch.float64), torch.arange(6)
        tables = self.tables(tried)[:, :-1]
        places = torch.arange(knots - 1, dtype=torch.float64) + u
        value, slope = self._with_slope(places, tried)
        way = (self._lengths(places) * self.step)[:, None]  # Å
        errors = (tables.mT @ u**n - value).abs(), (tables.mT @ (n * u ** (n - 1)) - slope).abs() / way / 10
        return all(bool(each.max() <= PRECISION * value.abs().max()) for each in errors)

    def _lengths(self, places: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
        return SHORTEST * torch.exp(places * self.step)

    def _with_slope(
        self, places: Float[Tensor, "R"], pairs: Sequence[Pair]
    ) -> tuple[Float[Tensor, "Z R O"], Float[Tensor, "Z R O"]]:
        """The functions, and how they change with the place.

        Each row depends on its own place alone, so that all slopes are one product with ones: back, and back again.
        Forward differentiation would be the same after an import of half a second.
        """
        senders, receivers = torch.tensor(pairs).T.repeat_interleave(len(places), dim=1)
        with torch.enable_grad():
            every = places.repeat(len(pairs)).requires_grad_()
            value = self.functions(self._lengths(every), senders, receivers)
            weights = torch.ones_like(value, requires_grad=True)
            (back,) = torch.autograd.grad(value, every, weights, create_graph=True)
            (slope,) = torch.autograd.grad(back.sum(), weights)
        value, slope = (each.detach().unflatten(0, (len(pairs), len(places))) for each in (value, slope))
        return value, slope
