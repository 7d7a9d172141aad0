"""Radial bases: a distance as a row of smooth functions of it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor

from mlzoo.nn.constants import KeepsFloat64


def spherical_bessel_roots(degrees: int, count: int) -> Float[Tensor, "L N"]:
    """First ``count`` positive roots z_ln of j_l for l < ``degrees``, in float64.

    The roots of j_l lie one each between those of j_(l−1).

    >>> spherical_bessel_roots(2, 2)
    tensor([[3.1416, 6.2832],
            [4.4934, 7.7253]], dtype=torch.float64)
    """
    rows = [[math.pi * n for n in range(1, count + degrees)]]
    for degree in range(1, degrees):
        brackets = zip(rows[-1][:-1], rows[-1][1:], strict=True)
        rows.append([brentq(lambda x, l=degree: spherical_jn(l, x), a, b, xtol=1e-15, rtol=1e-15) for a, b in brackets])
    return torch.tensor([row[:count] for row in rows], dtype=torch.float64)


class BesselBasis(KeepsFloat64):
    """j_l(z_ln r/r_c), normalised on [0, r_c], for l < ``degrees`` and n < ``count``; zero, with a kink, at r_c.

    Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), eq. 3. Column l·count + n.
    """

    scaled_roots: Tensor
    norms: Tensor

    def __init__(self, degrees: int, count: int, cutoff: float):
        super().__init__()
        self.degrees, self.count, self.cutoff = degrees, count, cutoff
        self.size = degrees * count
        roots = spherical_bessel_roots(degrees, count)
        slopes = torch.stack([torch.from_numpy(spherical_jn(l + 1, roots[l].numpy())) for l in range(degrees)])
        self.register_buffer("scaled_roots", roots.flatten() / cutoff, persistent=False)
        self.register_buffer("norms", math.sqrt(2 / cutoff**3) / slopes.abs().flatten(), persistent=False)

    def forward(self, lengths: Float[Tensor, "E"]) -> Float[Tensor, "E K"]:
        x = lengths.clamp(max=self.cutoff)[:, None] * self.scaled_roots.to(lengths.dtype)
        sine, cosine = torch.sin(x), torch.cos(x)
        below, current = cosine / x, sine / x  # j_(−1), j_0
        columns = []
        for degree in range(self.degrees):  # j_(l+1) = (2l+1)/x j_l − j_(l−1), for what is left of the columns
            columns.append(current[:, : self.count])
            x, below, current = x[:, self.count :], below[:, self.count :], current[:, self.count :]
            below, current = current, (2 * degree + 1) * current / x - below
        return torch.cat(columns, dim=1) * self.norms.to(lengths.dtype)


class SmoothBesselBasis(KeepsFloat64):
    """Orthonormal combinations of sinc functions whose value and first two derivatives vanish at r_c.

    Kocer, Mason and Erturk, AIP Adv. 10, 015021 (2020), eqs. 6 to 9; ``count`` functions, n = 0, 1, ...
    """

    frequencies: Tensor
    mixing: Tensor

    def __init__(self, count: int, cutoff: float):
        super().__init__()
        self.size = count
        n = torch.arange(count + 1, dtype=torch.float64)
        self.register_buffer("frequencies", (n + 1) * math.pi / cutoff, persistent=False)
        self.register_buffer("mixing", self._mixing(count, cutoff), persistent=False)

    @staticmethod
    def _mixing(count: int, cutoff: float) -> Float[Tensor, "K K+1"]:
        """Coefficients of the sincs in each function: neighbours summed (f_n), then made orthonormal (g_n)."""
        rows: list[Tensor] = []
        d = 1.0
        for n in range(count):
            amplitude = (-1) ** n * math.sqrt(2) * math.pi / cutoff**1.5 * (n + 1) * (n + 2) / math.hypot(n + 1, n + 2)
            f = torch.zeros(count + 1, dtype=torch.float64)
            f[n : n + 2] = amplitude
            e = n**2 * (n + 2) ** 2 / (4 * (n + 1) ** 4 + 1)
            previous_d, d = d, 1.0 - e / d
            rows.append(f if n == 0 else (f + math.sqrt(e / previous_d) * rows[-1]) / math.sqrt(d))
        return torch.stack(rows)

    def forward(self, lengths: Float[Tensor, "E"]) -> Float[Tensor, "E K"]:
        frequencies, mixing = self.frequencies.to(lengths.dtype), self.mixing.to(lengths.dtype)
        x = lengths[:, None] * frequencies
        return (torch.sin(x) / x) @ mixing.T
