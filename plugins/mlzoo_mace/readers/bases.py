"""Bases of a symmetric contraction, in the order in which InstaDeep's library counts its weights.

A basis is a tensor [D] * order + [2l+1, paths] for each output irrep: contracted with the features of an atom along its
first axes it gives each path's output. D runs over the components of all input irreps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import torch
from jaxtyping import Float
from torch import Tensor

from mlzoo.nn import o3
from mlzoo_mace.config import IrrepName, Irreps, degree

Basis = dict[IrrepName, Float[Tensor, "..."]]


def parity(irrep: IrrepName) -> int:
    return 1 if irrep[-1] == "e" else -1


def in_order(irrep: IrrepName) -> tuple[int, bool]:
    """Key that sorts irreps: by degree, the natural parity first."""
    return degree(irrep), parity(irrep) != (-1) ** degree(irrep)


def products(one: IrrepName, other: IrrepName) -> Irreps:
    """The irreps in the product of two.

    >>> products("1o", "1o")
    ('0e', '1e', '2e')
    """
    a, b = degree(one), degree(other)
    letter = "e" if parity(one) == parity(other) else "o"
    return tuple(f"{l}{letter}" for l in range(abs(a - b), a + b + 1))


def wigner(one: IrrepName, other: IrrepName, out: IrrepName) -> Float[Tensor, "I J K"]:
    """Wigner's 3j symbols of norm one; e3nn's from 0.6 on have the signs of e3nn_jax."""
    return o3.wigner_3j(degree(one), degree(other), degree(out), dtype=torch.float64)


def full_basis(inputs: Irreps, order: int, targets: Irreps, *, component: bool = True) -> Basis:
    """Clebsch–Gordan products from left to right, all intermediate irreps that can still reach a target.

    ``component`` is e3nn's: it multiplies each product by sqrt(2l+1), and four factors are a pair times a pair.
    """
    if component and order == 4:
        reached = {out for one in inputs for other in inputs for out in products(one, other)}
        pairs = full_basis(inputs, 2, tuple(irrep for irrep in reached if _reaches(irrep, 2, inputs, targets)))
        four = _all_products(pairs, pairs)
        return {irrep: four[irrep] for irrep in targets if irrep in four}
    single = _identity(inputs)
    basis = {irrep: tensor for irrep, tensor in single.items() if _reaches(irrep, order - 1, inputs, targets)}
    for factors in range(2, order + 1):
        blocks: list[tuple[IrrepName, Tensor]] = []
        for one in sorted(basis, key=in_order):
            for other in sorted(single, key=in_order):
                for out in products(one, other):
                    if _reaches(out, order - factors, inputs, targets):
                        scale = (2 * degree(out) + 1) ** 0.5 if component else 1.0
                        blocks.append((out, _product(basis[one], single[other], scale * wigner(one, other, out))))
        basis = _collected(blocks)
    return {irrep: basis[irrep] for irrep in targets if irrep in basis}


def symmetric_basis(inputs: Irreps, order: int, targets: Irreps) -> Basis:
    """Symmetric tensors only, each once: products of symmetric powers of single irreps, averaged over their orders."""
    if order > 4:
        raise ValueError(f"a symmetric basis of order {order}: up to 4 is known")
    size = sum(2 * degree(irrep) + 1 for irrep in inputs)
    begins = {irrep: sum(2 * degree(before) + 1 for before in inputs[:i]) for i, irrep in enumerate(inputs)}
    blocks: list[tuple[IrrepName, Tensor]] = []
    for powers in _powers(len(inputs), order):
        term: Basis | None = None
        factors: list[IrrepName] = []
        for irrep, power in zip(inputs, powers, strict=True):
            if power:
                factors += [irrep] * power
                one = _symmetric_power(irrep, power)
                term = one if term is None else _all_products(term, one)
        assert term is not None
        for out in sorted(set(term) & set(targets), key=in_order):
            blocks.append((out, _over_orders(term[out], factors, begins, size)))
    basis = _collected(blocks)
    return {irrep: basis[irrep] for irrep in targets if irrep in basis}


def _identity(inputs: Irreps) -> Basis:
    sizes = [2 * degree(irrep) + 1 for irrep in inputs]
    columns = torch.eye(sum(sizes), dtype=torch.float64).split(sizes, dim=1)
    return {irrep: block[..., None] for irrep, block in zip(inputs, columns, strict=True)}


def _reaches(irrep: IrrepName, factors: int, inputs: Irreps, targets: Irreps) -> bool:
    now = {irrep}
    for _ in range(factors):
        now = {out for one in now for other in inputs for out in products(one, other)}
    return bool(now & set(targets))


def _product(one: Tensor, other: Tensor, w3j: Tensor) -> Tensor:
    """Axes of the first, axes of the second, component, paths (of the first slow, of the second fast)."""
    left, right = one.flatten(0, -3), other.flatten(0, -3)
    out = torch.einsum("xiu,yjv,ijk->xykuv", left, right, w3j).flatten(-2)
    return out.reshape(*one.shape[:-2], *other.shape[:-2], *out.shape[-2:])


def _collected(blocks: Sequence[tuple[IrrepName, Tensor]]) -> Basis:
    """Blocks of the same irrep side by side, in the order in which they came."""
    irreps = sorted({irrep for irrep, _ in blocks}, key=in_order)
    return {irrep: torch.cat([block for other, block in blocks if other == irrep], dim=-1) for irrep in irreps}


def _all_products(one: Basis, other: Basis) -> Basis:
    return _collected(
        [
            (out, _product(one[a], other[b], (2 * degree(out) + 1) ** 0.5 * wigner(a, b, out)))
            for a in sorted(one, key=in_order)
            for b in sorted(other, key=in_order)
            for out in products(a, b)
        ]
    )


def _powers(parts: int, total: int) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as a sum of ``parts``, the largest first."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total, -1, -1):
        yield from ((first, *rest) for rest in _powers(parts - 1, total - first))


def _symmetric_power(irrep: IrrepName, power: int) -> Basis:
    """Orthonormal symmetric tensors of one irrep, rows of norm² 2l+1, up to the fourth power.

    They are combinations of the products from left to right, or of the square with itself; the first combination is the
    projection of the first product, and so on (Gram–Schmidt), which fixes the signs.
    """
    single = _identity((irrep,))
    if power == 1:
        return single
    square = _symmetric_power(irrep, 2) if power == 4 else {}
    factors = (square, square) if power == 4 else (_symmetric_power(irrep, power - 1), single)
    found: Basis = {}
    for out, tensor in _all_products(*factors).items():
        axes = list(permutations(range(power)))
        average = torch.stack([tensor.permute(*order, power, power + 1) for order in axes]).mean(dim=0)
        overlap = torch.einsum("xu,xv->uv", tensor.flatten(0, -2), average.flatten(0, -2)) / (2 * degree(out) + 1)
        values, vectors = torch.linalg.eigh(overlap)
        kept = vectors[:, values > 1 - 1e-6]
        rows = _gram_schmidt(kept @ kept.T)
        if len(rows):
            found[out] = torch.einsum("...u,vu->...v", tensor, rows)
    return found


def _gram_schmidt(matrix: Float[Tensor, "N N"]) -> Float[Tensor, "R N"]:
    rows: list[Tensor] = []
    for row in matrix:
        rest = row - sum((other @ row) * other for other in rows)
        if rest.norm() > 1e-5:
            rows.append(rest / rest.norm())
    return torch.stack(rows) if rows else matrix[:0]


def _over_orders(
    tensor: Tensor, factors: Sequence[IrrepName], begins: dict[IrrepName, int], size: int
) -> Float[Tensor, "..."]:
    """The tensor in every distinct order of its factors, placed among all components, over the root of their number."""
    order = len(factors)
    whole = tensor.new_zeros(*[size] * order, *tensor.shape[order:])
    seen = set()
    for axes in permutations(range(order)):
        arranged = tuple(factors[axis] for axis in axes)
        if arranged in seen:
            continue
        seen.add(arranged)
        place = tuple(slice(begins[irrep], begins[irrep] + 2 * degree(irrep) + 1) for irrep in arranged)
        whole[place] += tensor.permute(*axes, order, order + 1)
    return whole / len(seen) ** 0.5
