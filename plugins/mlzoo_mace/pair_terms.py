"""Energies of pairs that a network adds to: nuclear repulsion at short range, charges at long range."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlzoo.nn.constants import KeepsFloat64
from mlzoo.nn.segments import sum_per_segment
from mlzoo_mace.config import ZBL, PolynomialEnvelope
from mlzoo_mace.radial import envelope

COULOMB = 14.3996  # eV Å, as the weights with this term were trained
SCREENING = ((3.2, 0.1818), (0.9423, 0.5099), (0.4028, 0.2802), (0.2016, 0.02817))
VACUUM = 4 * torch.pi * 5.5263494e-3  # e²/(eV Å), four pi times the permittivity


class ZBLRepulsion(KeepsFloat64):
    """Ziegler, Biersack and Littmark's screened repulsion, half to each atom of a pair."""

    radii: Tensor  # Å, for each element
    numbers: Tensor
    shares: Tensor

    def __init__(self, by: ZBL, elements: tuple[int, ...]):
        super().__init__()
        self.by = by
        self.register_buffer("radii", torch.ones(len(elements)).double())
        self.register_buffer("shares", torch.tensor([share for _, share in SCREENING]).double())
        self.register_buffer("numbers", torch.tensor(elements).double(), persistent=False)

    def forward(
        self,
        lengths: Float[Tensor, "E"],
        senders: Int[Tensor, "E"],  # places of elements
        receivers: Int[Tensor, "E"],
        atoms: Int[Tensor, "E"],  # receiving
        n_atoms: int,
    ) -> Float[Tensor, "A"]:
        """eV."""
        z, radii, shares = (each.to(lengths.dtype) for each in (self.numbers, self.radii, self.shares))
        reach = radii[senders] + radii[receivers]
        exponent = self.by.exponent
        x = lengths * (z[senders] ** exponent + z[receivers] ** exponent) / self.by.prefactor
        screening = sum(share * torch.exp(-rate * x) for share, (rate, _) in zip(shares, SCREENING, strict=True))
        cut = envelope(lengths / reach, PolynomialEnvelope(power=self.by.power))
        energy = 0.5 * COULOMB * z[senders] * z[receivers] / lengths * screening * cut
        return sum_per_segment(energy, atoms, n_atoms)


def coulomb(
    charges: Float[Tensor, "A"], lengths: Float[Tensor, "E"], senders: Int[Tensor, "E"], receivers: Int[Tensor, "E"]
) -> Float[Tensor, "A"]:
    """Coulomb energy of partial charges in eV, damped below 10 Å, half to each atom of a pair; no shift at the cutoff."""
    x = (2 * lengths / 10).clamp(max=1)
    near = 1 - 6 * x**5 + 15 * x**4 - 10 * x**3
    kernel = near / torch.sqrt(lengths**2 + 1) + (1 - near) / lengths
    each = 0.5 / VACUUM * charges[senders] * charges[receivers] * kernel
    return sum_per_segment(each, receivers, len(charges))
