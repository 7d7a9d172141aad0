"""Convolution and contraction as segmented polynomials: rows of C channels, multiplied channel by channel and added up.

Which rows are multiplied, and with what coefficient, is read off the plain modules, whose numbers these give. On a GPU
cuEquivariance runs each of them as one kernel, which gathers from senders and adds to receivers by itself; elsewhere as plain
PyTorch, which is for tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import cuequivariance as cue
import torch
from cuequivariance_torch import SegmentedPolynomial
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo_mace.config import IrrepName, degree
from mlzoo_mace.contraction import SymmetricContraction, Term
from mlzoo_mace.convolution import Convolution, Geometry
from mlzoo_mace.equivariant import Features

ON_GPU, ELSEWHERE = "uniform_1d", "naive"  # ways of cuEquivariance

Product = tuple[tuple[int, ...], float]
"""Rows of each factor and, last, of the result; and the coefficient."""


def polynomial(
    rows: Sequence[int], channels: Sequence[int | None], terms: dict[tuple[int, ...], list[Product]]
) -> cue.SegmentedPolynomial:
    """Of operands with so many rows of so many channels (None: of one number), the last being the result.

    ``terms`` holds products by the operands that their factors, and the result, are rows of.
    """
    operands = [
        cue.SegmentedOperand(ndim=0 if width is None else 1, segments=[() if width is None else (width,)] * count)
        for count, width in zip(rows, channels, strict=True)
    ]
    operations = []
    for places, products in terms.items():
        subscripts = ["" if channels[place] is None else "u" for place in places]
        product = cue.SegmentedTensorProduct(
            [(operands[place], said) for place, said in zip(places, subscripts, strict=True)]
        )
        for factors, coefficient in products:
            product.add_path(*factors, c=coefficient)
        operations.append((places, product))
    return cue.SegmentedPolynomial(operands[:-1], operands[-1:], operations)


class FusedConvolution(nn.Module):
    """Takes the place of :class:`Convolution`; messages are never written to memory."""

    def __init__(self, plain: Convolution, channels: int, method: str):
        super().__init__()
        sizes = {path.sent: 2 * degree(path.sent) + 1 for path in plain.paths}
        self.sent = tuple(sizes)
        begins = _begins(sizes)
        self.received = {
            irrep: [index for index, path in enumerate(plain.paths) if path.received == irrep]
            for irrep in plain.received
        }
        products: list[Product] = []
        rows = 0
        for irrep, indices in self.received.items():
            for place, index in enumerate(indices):
                path = plain.paths[index]
                coupling = getattr(plain, f"coupling_{index}")
                for i, j, k in coupling.nonzero().tolist():
                    factors = (index, begins[path.sent] + i, path.harmonic**2 + j, rows + k * len(indices) + place)
                    products.append((factors, float(coupling[i, j, k])))
            rows += (2 * degree(irrep) + 1) * len(indices)
        counts = (len(plain.paths), sum(sizes.values()), (plain.max_l + 1) ** 2, rows)
        by = polynomial(counts, (channels, channels, None, channels), {(0, 1, 2, 3): products})
        self.sums, self.rows, self.channels = SegmentedPolynomial(by, method=method), rows, channels

    def forward(self, sent: Features, weights: Float[Tensor, "E P C"], edges: Geometry) -> Features:
        """For each irrep the sums of all its paths side by side, (A, 2l+1, paths · C)."""
        x = torch.cat([sent[irrep] for irrep in self.sent], dim=1).flatten(1)  # (A, D · C)
        (sums,) = self.sums(
            [weights.flatten(1), x, edges.harmonics],
            {1: edges.senders},
            {0: x[:, :1].detach()},  # as many rows as there are atoms
            {0: edges.receivers},
        )
        sizes = [(2 * degree(irrep) + 1) * len(indices) * self.channels for irrep, indices in self.received.items()]
        return {
            irrep: part.unflatten(1, (2 * degree(irrep) + 1, -1))
            for irrep, part in zip(self.received, sums.split(sizes, dim=1), strict=True)
        }


class FusedContraction(nn.Module):
    """Takes the place of :class:`SymmetricContraction`, whose weights it shares."""

    def __init__(self, plain: SymmetricContraction, channels: int, method: str):
        super().__init__()
        self.inputs, self.by, self.terms = plain.inputs, plain.by, plain.terms
        self.outputs = tuple(dict.fromkeys(by.irrep for by in plain.by.couplings))
        begins = _begins({irrep: 2 * degree(irrep) + 1 for irrep in self.outputs})
        products: dict[tuple[int, ...], list[Product]] = {}
        weights = 0
        for by, term in zip(plain.by.couplings, plain.terms, strict=True):
            assert isinstance(term, Term)
            of_order = products.setdefault((0, *[1] * by.order, 2), [])
            for m, k, p in term.couplings.nonzero().tolist():
                factors = (weights + p, *term.monomials[m].tolist(), begins[by.irrep] + k)
                of_order.append((factors, float(term.couplings[m, k, p])))
            weights += by.paths
        counts = (weights, *(sum(2 * degree(irrep) + 1 for irrep in irreps) for irreps in (self.inputs, self.outputs)))
        by_order = polynomial(counts, (channels,) * 3, products)
        self.products = SegmentedPolynomial(by_order, method=method)

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        x = torch.cat([features[irrep] for irrep in self.inputs], dim=1).flatten(1)  # (A, D · C)
        weights = torch.cat([term.get_parameter("weights") for term in self.terms], dim=1).flatten(1)  # (Z, P · C)
        (found,) = self.products([weights, x], {0: elements} if self.by.by_element else {})
        parts = found.unflatten(1, (-1, features[self.inputs[0]].shape[2]))
        sizes = [2 * degree(irrep) + 1 for irrep in self.outputs]
        return dict(zip(self.outputs, parts.split(sizes, dim=1), strict=True))


def _begins(sizes: Mapping[IrrepName, int]) -> dict[IrrepName, int]:
    """The first row of each irrep, side by side."""
    return dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
