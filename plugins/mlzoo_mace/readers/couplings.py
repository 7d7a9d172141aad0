"""From a code's coupling tensor to the polynomial that it stands for."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor


def over(kept: Bool[Tensor, "D"], tensor: Float[Tensor, "..."], order: int) -> Float[Tensor, "..."]:
    """A tensor over those components that anything arrives in, along its first axes."""
    for axis in range(order):
        tensor = tensor[(slice(None),) * axis + (kept,)]
    return tensor


def polynomial(tensor: Float[Tensor, "*D K P"]) -> tuple[Int[Tensor, "M N"], Float[Tensor, "M K P"]]:
    """Monomials and their couplings from a tensor that is contracted with the same features along its first N axes.

    Each monomial's coupling is the sum over all orders of its factors; those that vanish are left out, which may be all
    (a cross product with itself). K components of the output, P paths.
    """
    order = tensor.dim() - 2
    size = tensor.shape[0]
    entries = (tensor != 0).flatten(order).any(dim=-1).nonzero()  # (X, N)
    places, _ = entries.sort(dim=1)
    flat = places @ tensor.new_tensor([size**power for power in reversed(range(order))]).long()
    distinct, inverse = flat.unique(return_inverse=True)
    summed = tensor.new_zeros(len(distinct), *tensor.shape[order:])
    summed = summed.index_add(0, inverse, tensor[tuple(entries.T)])
    monomials = distinct[:, None] // tensor.new_tensor([size**power for power in reversed(range(order))]).long() % size
    left = (summed.abs() > 1e-12 * tensor.abs().max()).flatten(1).any(dim=1)
    return monomials[left], summed[left]
