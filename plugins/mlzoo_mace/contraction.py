"""Products of an atom's features with themselves: many-body terms from two-body ones (MACE eq. 10)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mlzoo.nn import o3
from mlzoo.nn.constants import KeepsFloat64
from mlzoo_mace.config import Contraction, Coupling, GauntContraction, Irreps, degree
from mlzoo_mace.equivariant import ChannelMix, Features, present_in


class Term(KeepsFloat64):
    """One output irrep at one order: monomials of the features, coupled along independent paths, weighted.

    ``monomials`` holds places in the concatenated features, ``couplings`` how each monomial enters a path, summed over
    all orders of its factors; both come with the weights, because codes choose different bases.
    """

    monomials: Tensor
    couplings: Tensor

    def __init__(self, by: Coupling, channels: int, elements: int):
        super().__init__()
        self.register_buffer("monomials", torch.zeros(by.monomials, by.order, dtype=torch.int64))
        self.register_buffer(
            "couplings", torch.zeros(by.monomials, 2 * degree(by.irrep) + 1, by.paths, dtype=torch.float64)
        )
        self.weights = nn.Parameter(torch.randn(elements, by.paths, channels) / by.paths)

    def products(self, features: Float[Tensor, "A D C"]) -> Float[Tensor, "A M C"]:
        value = features[:, self.monomials[:, 0]]
        for factor in range(1, self.monomials.shape[1]):
            value = value * features[:, self.monomials[:, factor]]
        return value

    def coefficients(self, element: int) -> Float[Tensor, "C M K"]:
        """Of each monomial in each component, for the atoms of an element."""
        weights = self.weights[element]
        return torch.einsum("mkp,pc->cmk", self.couplings.to(weights.dtype), weights)


class SymmetricContraction(nn.Module):
    """Polynomials of each channel's features with coefficients of the atom's element."""

    def __init__(self, by: Contraction, inputs: Irreps, channels: int, elements: int):
        super().__init__()
        self.by, self.inputs = by, inputs
        self.terms = nn.ModuleList(Term(each, channels, elements if by.by_element else 1) for each in by.couplings)

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        x = torch.cat([features[irrep] for irrep in self.inputs], dim=1)  # (A, D, C)
        if not self.by.by_element:
            return self._of_one(x, 0)
        present = present_in(elements)
        if len(present) == 1:
            return self._of_one(x, present[0])
        result: Features = {}
        for element in present:
            (atoms,) = torch.nonzero(elements == element, as_tuple=True)
            for irrep, value in self._of_one(x[atoms], element).items():
                if irrep not in result:
                    result[irrep] = value.new_zeros(len(x), *value.shape[1:])
                result[irrep] = result[irrep].index_add(0, atoms, value)
        return result

    def _of_one(self, x: Float[Tensor, "A D C"], element: int) -> Features:
        result: Features = {}
        for by, term in zip(self.by.couplings, self.terms, strict=True):
            assert isinstance(term, Term)
            products = term.products(x).permute(2, 0, 1)  # (C, A, M)
            value = torch.bmm(products, term.coefficients(element)).permute(1, 2, 0)  # (A, 2l+1, C)
            result[by.irrep] = result[by.irrep] + value if by.irrep in result else value
        return result


class GauntProduct(KeepsFloat64):
    """Features as functions on the sphere, a linear map of them for each factor, multiplied point by point.

    Points and weights of a quadrature that is exact for the degrees that occur.
    """

    values: Tensor
    projection: Tensor

    def __init__(self, by: GauntContraction, inputs: Irreps, outputs: Irreps, channels: int, elements: int):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.factors = nn.ModuleList(ChannelMix(dict.fromkeys(inputs, (channels, channels))) for _ in range(by.order))
        self.biases = nn.ParameterList(torch.zeros(channels) for _ in range(by.order))
        self.weights = nn.ParameterDict({irrep: torch.randn(elements, channels) for irrep in outputs})
        points, shares = _sphere(by.order * max(map(degree, inputs)) + max(map(degree, outputs)))
        self.register_buffer("values", _norm_harmonics(inputs, points), persistent=False)  # (D, G)
        self.register_buffer("projection", _norm_harmonics(outputs, points) * shares, persistent=False)  # (M, G)

    def forward(self, features: Features, elements: Int[Tensor, "A"]) -> Features:
        product: Tensor | None = None
        for mix, bias in zip(self.factors, self.biases, strict=True):
            mixed = mix(features)
            x = torch.cat([mixed["0e"] + bias, *(mixed[irrep] for irrep in self.inputs if irrep != "0e")], dim=1)
            function = torch.einsum("adc,dg->agc", x, self.values.to(x.dtype))
            product = function if product is None else product * function
        assert product is not None
        projected = torch.einsum("agc,mg->amc", product, self.projection.to(product.dtype))
        sizes = [2 * degree(irrep) + 1 for irrep in self.outputs]
        parts = zip(self.outputs, projected.split(sizes, dim=1), strict=True)
        return {irrep: part * self.weights[irrep][elements][:, None] for irrep, part in parts}


def _norm_harmonics(irreps: Irreps, points: Float[Tensor, "G 3"]) -> Float[Tensor, "D G"]:
    """Real harmonics with |Y_l|² = 1, in the order of the irreps."""
    return torch.cat([o3.spherical_harmonics(degree(irrep), points, True, "norm") for irrep in irreps], dim=1).T


def _sphere(exact: int) -> tuple[Float[Tensor, "G 3"], Float[Tensor, "G"]]:
    """Gauss–Legendre points by equal angles: averages over the sphere, exact up to that degree."""
    from numpy.polynomial.legendre import leggauss

    z, shares = (torch.from_numpy(each) for each in leggauss(exact // 2 + 1))
    angles = torch.arange(exact + 1, dtype=torch.float64) * 2 * torch.pi / (exact + 1)
    ring = torch.sqrt(1 - z**2)[:, None]
    points = torch.stack(
        [ring * torch.cos(angles), ring * torch.sin(angles), z[:, None].expand(-1, len(angles))], dim=-1
    )
    return points.reshape(-1, 3), (shares / 2)[:, None].expand(-1, len(angles)).reshape(-1) / len(angles)
