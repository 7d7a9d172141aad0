"""The form in which a MACE answers on a GPU where cuEquivariance is installed."""

from __future__ import annotations

from importlib.metadata import version

from mlzoo.model import EnergyModel
from mlzoo_mace.contraction import SymmetricContraction
from mlzoo_mace.kernels.fused.polynomials import ELSEWHERE, ON_GPU, FusedContraction, FusedConvolution
from mlzoo_mace.layer import MaceLayer
from mlzoo_mace.model import Mace


class FusedMace(Mace):
    """Shares its parameters with the plain form, which is its judge."""

    def __init__(self, plain: Mace):
        EnergyModel.__init__(self)
        self._become(plain)
        method = ON_GPU if next(plain.parameters()).is_cuda else ELSEWHERE
        for layer in self.layers:
            assert isinstance(layer, MaceLayer)
            layer.add_module("convolution", FusedConvolution(layer.convolution, layer.by.up_channels, method))
            if isinstance(layer.contraction, SymmetricContraction):
                layer.add_module("contraction", FusedContraction(layer.contraction, layer.by.channels, method))
        self.to(next(plain.parameters()).device)
        self.kernels = f"cuequivariance {version('cuequivariance-torch')} ({method})"
