"""What a frozen layer reads of an edge's length, in tables: radial functions of its paths, and its share in a count."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlzoo_mace.convolution import Geometry
from mlzoo_mace.kernels.answering.splines import Pair, RadialFunctions, Splines
from mlzoo_mace.layer import MaceLayer, neighbour_share
from mlzoo_mace.radial import RadialBasis, RadialPerceptron

LARGEST = 2**27  # numbers in the tables of a layer


class PathTables:
    """``array`` (Z, K, P, 6, C'): for each kind of edge, knot, path and channel the coefficients of a polynomial.

    Splines stand for the last hidden layer of the radial perceptron. Its last map, as everything in a table, is linear.
    """

    def __init__(self, layer: MaceLayer, basis: RadialBasis, tried: Sequence[Pair]):
        perceptron, channels = layer.radial, layer.by.up_channels
        self.splines = Splines(_hidden(perceptron, basis), basis.cutoff, tried)
        last = [perceptron.weights[-1]]
        if perceptron.biases is not None:
            last.append(perceptron.biases[-1][None])
        self.last = torch.cat(last).detach().double().unflatten(1, (-1, channels))  # (H, P, C')
        self.factors = layer.pair_factors.detach().double() if layer.by.pair_factors else None
        self.dtype = perceptron.weights[-1].dtype
        self.array = torch.empty(0, self.splines.knots or 0, self.last.shape[1], 6, channels, dtype=self.dtype).numpy()

    def has_room(self, pairs: int) -> bool:
        return (len(self.array) + pairs) * math.prod(self.array.shape[1:]) <= LARGEST

    def add(self, pairs: Sequence[Pair]) -> None:
        hidden = self.splines.tables(pairs)  # (Z, K, 6, H)
        self.array = np.concatenate([self.array, *(self._table(*each) for each in zip(pairs, hidden, strict=True))])

    def _table(self, pair: Pair, hidden: Float[Tensor, "K 6 H"]) -> Float[np.ndarray, "1 K P 6 C"]:
        last = self.last if self.factors is None else self.last * self.factors[pair]
        table = (hidden @ last.flatten(1)).to(self.dtype).unflatten(2, last.shape[1:])
        return table.transpose(1, 2).contiguous()[None].numpy()


class ShareTables:
    """What an edge adds to its receiver's count of neighbours; a row for each kind of edge."""

    def __init__(self, density: RadialPerceptron, basis: RadialBasis, tried: Sequence[Pair]):
        exact, of_length = copy.deepcopy(density).double(), copy.deepcopy(basis)

        def functions(r: Tensor, senders: Tensor, receivers: Tensor) -> Float[Tensor, "R 1"]:
            return neighbour_share(exact, _edges(of_length, r, senders, receivers))[:, None]

        self.splines = Splines(functions, basis.cutoff, tried)
        self.rows = torch.empty(0, self.splines.knots or 0, 6, dtype=density.weights[-1].dtype)

    def add(self, pairs: Sequence[Pair]) -> None:
        self.rows = torch.cat([self.rows, self.splines.tables(pairs)[..., 0].to(self.rows.dtype)])

    def __call__(self, lengths: Float[Tensor, "E"], kinds: Int[Tensor, "E"]) -> Float[Tensor, "E"]:
        places = self.splines.places(lengths)
        knots = places.detach().long()
        u, value = places - knots, torch.zeros_like(lengths)
        for coefficient in self.rows[kinds, knots].T.flip(0):
            value = coefficient + u * value
        return value


def _hidden(perceptron: RadialPerceptron, basis: RadialBasis) -> RadialFunctions:
    """What the last map of a perceptron is linear in, one for its bias at the end."""
    exact, of_length = copy.deepcopy(perceptron).double(), copy.deepcopy(basis)

    def functions(r: Tensor, senders: Tensor, receivers: Tensor) -> Float[Tensor, "R H"]:
        edges = _edges(of_length, r, senders, receivers)
        x = exact.before_last(edges.basis, *edges.ends(exact.by))
        x = x if exact.biases is None else torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        return x if edges.envelope is None else x * edges.envelope[:, None]

    return functions


def _edges(
    basis: RadialBasis, r: Float[Tensor, "R"], senders: Int[Tensor, "R"], receivers: Int[Tensor, "R"]
) -> Geometry:
    """Edges of these lengths between atoms of these elements, as far as radial functions read them."""
    values, cut = basis(r, senders, receivers)
    late = cut if basis.by.envelope_on == "weights" else None
    return Geometry(senders, receivers, r[:, None], senders, receivers, values, late)
