"""The convolution of a layer by compiled loops, twice differentiable."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from mlzoo.nn.compiled import arrays
from mlzoo.nn.constants import KeepsFloat64
from mlzoo_mace.config import degree
from mlzoo_mace.convolution import Convolution, Geometry
from mlzoo_mace.equivariant import Features
from mlzoo_mace.kernels.learning import convolution_loops


class Walk(NamedTuple):
    """What the loops walk along, and the shape of what they come to."""

    edges: tuple[np.ndarray, ...]  # senders, receivers, rows of the weights (E,); paths (P, 5), see `convolution_loops`
    atoms: int
    received: int  # components, times paths of their irrep


class CompiledConvolution(KeepsFloat64):
    """In place of the plain one: the same numbers."""

    turns: Tensor

    def __init__(self, plain: Convolution):
        super().__init__()
        self.paths, self.received = plain.paths, plain.received
        self.sent = tuple(dict.fromkeys(path.sent for path in sorted(plain.paths, key=lambda path: degree(path.sent))))
        counts = {irrep: sum(path.received == irrep for path in plain.paths) for irrep in self.received}
        sizes = [(2 * degree(irrep) + 1) * counts[irrep] for irrep in self.received]
        starts = dict(zip(self.received, np.cumsum([0, *sizes]).tolist(), strict=False))
        firsts = dict(
            zip(self.sent, np.cumsum([0, *(2 * degree(irrep) + 1 for irrep in self.sent)]).tolist(), strict=False)
        )
        table, turns = [], []
        for index, path in enumerate(plain.paths):
            sent, received = 2 * degree(path.sent) + 1, 2 * degree(path.received) + 1
            table.append((firsts[path.sent], sent, starts[path.received], received, counts[path.received]))
            starts[path.received] += 1
            turns.append(_turn(plain, index))
        self.register_buffer("turns", torch.cat(turns), persistent=False)  # (Q, H)
        self.table, self.sizes = np.array(table, dtype=np.uint64), sizes

    def forward(self, sent: Features, weights: Float[Tensor, "U P C"], edges: Geometry) -> Features:
        x = torch.cat([sent[irrep] for irrep in self.sent], dim=1)  # (A, D, C)
        turned = edges.harmonics @ self.turns.to(x.dtype).T  # (E, Q)
        rows = torch.arange(len(edges.senders)) if edges.rows is None else edges.rows
        ends = (each.astype(np.uint64) for each in arrays(edges.senders, edges.receivers, rows))
        walk = Walk((*ends, self.table), len(x), sum(self.sizes))
        collected = _Convolve.apply(x, turned, weights.contiguous(), walk)  # (A, K, C)
        parts = zip(self.received, collected.split(self.sizes, dim=1), strict=True)
        return {irrep: part.reshape(len(x), 2 * degree(irrep) + 1, -1) for irrep, part in parts}


def _turn(plain: Convolution, index: int) -> Float[Tensor, "Q H"]:
    """From harmonics to the entries of a path: components of what is received, then of what is sent."""
    path = plain.paths[index]
    l = path.harmonic
    sent, received = 2 * degree(path.sent) + 1, 2 * degree(path.received) + 1
    if path.sent == "0e":  # as in the plain form
        coupling = torch.eye(received, dtype=torch.float64)[:, None, :]
    else:
        coupling = getattr(plain, f"coupling_{index}").permute(2, 0, 1)  # (K, I, J)
    turn = coupling.new_zeros(received, sent, (plain.max_l + 1) ** 2)
    turn[:, :, l * l : (l + 1) ** 2] = coupling
    return turn.flatten(0, 1)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, turned: Tensor, weights: Tensor, walk: Walk) -> Tensor:
        ctx.save_for_backward(x, turned, weights)
        ctx.walk = walk
        out = x.new_zeros(walk.atoms, walk.received, x.shape[2])
        convolution_loops.convolve(*arrays(x, turned, weights), *walk.edges, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return *_Slopes.apply(*ctx.saved_tensors, gradient.contiguous(), ctx.walk), None


class _Slopes(torch.autograd.Function):
    """Gradients of the convolution by its three factors."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, turned: Tensor, weights: Tensor, gradient: Tensor, walk: Walk) -> Any:
        factors = x, turned, weights, gradient
        ctx.save_for_backward(*factors)
        ctx.walk = walk
        slopes = tuple(torch.zeros_like(each) for each in factors[:3])
        scratch = np.empty(x.shape[2], dtype=gradient.numpy().dtype)
        convolution_loops.slopes(*arrays(*factors), *walk.edges, scratch, *arrays(*slopes))
        return slopes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *along: Tensor) -> Any:
        factors = ctx.saved_tensors
        curvatures = tuple(torch.zeros_like(each) for each in factors)
        x, *_ = read = arrays(*factors)
        scratch = np.empty((2, x.shape[2]), dtype=x.dtype)
        convolution_loops.curvatures(*read, *arrays(*along), *ctx.walk.edges, *scratch, *arrays(*curvatures))
        return *curvatures, None
