"""Envelopes that take an interaction smoothly to zero at a cutoff."""

from jaxtyping import Float
from torch import Tensor


def quintic_cutoff(lengths: Float[Tensor, "*N"], cutoff: float) -> Float[Tensor, "*N"]:
    """1 − 10x³ + 15x⁴ − 6x⁵ with x = r/cutoff, zero beyond; value and two derivatives vanish at the cutoff.

    Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), eq. 5; lengths and cutoff in Å.

    >>> import torch
    >>> quintic_cutoff(torch.tensor([0.0, 2.0, 4.0, 5.0]), cutoff=4.0)
    tensor([1.0000, 0.5000, 0.0000, 0.0000])
    """
    x = (lengths / cutoff).clamp(max=1.0)
    return 1 - x**3 * (10 - x * (15 - 6 * x))
