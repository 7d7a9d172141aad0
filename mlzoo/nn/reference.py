"""Reference energies: what an element counts for by itself."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class ReferenceEnergies(nn.Module):
    """One energy for each element, in eV, kept in float64 whatever the dtype of the network around it.

    They are large (1e3 eV and more) and would cost a float32 model its last digits.
    """

    energies: Tensor

    def __init__(self, energies: Float[Tensor, "K"]):
        super().__init__()
        self.register_buffer("energies", energies.double())

    def forward(self, element_index: Int[Tensor, "A"]) -> Float[Tensor, "A"]:
        return self.energies[element_index]

    def _apply(self, fn, recurse=True):  # nn.Module.to, .float(), .half(): the device follows, the dtype stays
        self.energies = self.energies.to(fn(self.energies).device)
        return self
