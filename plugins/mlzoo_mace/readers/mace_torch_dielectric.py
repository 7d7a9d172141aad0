"""mace-torch's models of dipoles and polarizabilities: what they predict, in which units, and how it is read from features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlzoo_mace.config import Activation, IrrepName, Irreps, Readout, TensorReadout
from mlzoo_mace.dielectric import symmetric_basis
from mlzoo_mace.readers.e3nn_maps import Tensors, function, irreps, linear_by_irrep, under
from mlzoo_mace.readers.torch_modules import Module, NotUnderstood

DEBYE = 1e-11 / 299_792_458 / 1.602176634e-19  # e·Å


@dataclass(frozen=True)
class Outputs:
    """What a class predicts, and its unit of dipoles in e·Å."""

    unit: float = DEBYE
    energy: bool = False
    charges: bool = False
    polarizability: bool = False

    @property
    def scalars(self) -> int:
        return self.energy + self.charges + self.polarizability

    @property
    def tensors(self) -> Irreps:
        return ("1o", "2e") if self.polarizability else ("1o",)

    def sized(self, irrep: IrrepName, matrix: Tensor) -> Tensor:
        return matrix * self.unit if irrep == "1o" else matrix


OUTPUTS = {
    "AtomicDipolesMACE": Outputs(),
    "EnergyDipolesMACE": Outputs(energy=True),
    "AtomicDielectricMACE": Outputs(unit=1.0, charges=True, polarizability=True),
}
FIXED_CHARGES = (
    "the file does not say whether it was trained beside fixed charges of the atoms (mace-torch's --charges_key). If it was, "
    "its dipole lacks theirs, as that of mace-torch's calculator does: add charges @ positions (e·Å)."
)
UNUSED = ("dipole_mean", "dipole_std", "polarizability_mean", "polarizability_std")
"""In the file, and in no formula of mace-torch 0.3.16."""


def read_dielectric_readout(
    module: Module, outputs: Outputs
) -> tuple[Readout | None, dict[IrrepName, TensorReadout], Tensors]:
    """Linear maps, or gated ones; tensors as ``readouts`` and ``tensor_readouts`` of a layer have them."""
    expected = [*([(outputs.scalars, "0e")] if outputs.scalars else []), *((1, irrep) for irrep in outputs.tensors)]
    if irreps(module.says("irreps_out")) != expected:
        raise NotUnderstood(f"{module.path} does not give what a model of its class predicts")
    if module.kind in ("LinearDipoleReadoutBlock", "LinearDipolePolarReadoutBlock"):
        maps = linear_by_irrep(module.child("linear", "Linear"))
        state: Tensors = {"readouts.weights.0": maps["0e"][None]} if outputs.scalars else {}
        there = [irrep for irrep in outputs.tensors if irrep in maps]
        for irrep in there:
            state[f"tensor_readouts.{irrep}.weights.0"] = outputs.sized(irrep, maps[irrep])
        return Readout() if outputs.scalars else None, dict.fromkeys(there, TensorReadout()), state
    if module.kind not in ("NonLinearDipoleReadoutBlock", "NonLinearDipolePolarReadoutBlock"):
        raise NotUnderstood(f"{module.path} is of the class {module.kind}; mlzoo reads readouts of dipoles here")
    return _gated(module, outputs)


def _gated(module: Module, outputs: Outputs) -> tuple[Readout | None, dict[IrrepName, TensorReadout], Tensors]:
    """Scalars through a function, all else times one of further scalars: those stand behind the others, in order."""
    gate = module.child("equivariant_nonlin", "GatedEquivariantBlock")
    scalars, gated = irreps(gate.says("irreps_scalars")), irreps(gate.says("irreps_gated"))
    if irreps(module.says("hidden_irreps")) != scalars + gated:
        raise NotUnderstood(f"{module.path} has other hidden features than its gate gives")
    width = sum(count for count, _ in scalars)
    gate.demand("_layout_is_ir_mul", False)
    gate.demand("_s_start", 0)
    gate.demand("_g_start", width)
    first, last = (linear_by_irrep(module.child(name, "Linear")) for name in ("linear_1", "linear_2"))
    state: Tensors = {}
    readout = None
    if outputs.scalars:
        act = Activation(function=function(gate.says("_act_scalar"), gate.path), scale=gate.says("_scalar_cst"))
        readout = Readout(hidden=width, activation=act)
        state = {"readouts.weights.0": first["0e"][None, :, :width], "readouts.weights.1": last["0e"][None]}
    by = Activation(function=function(gate.says("_act_gate"), gate.path), scale=gate.says("_gate_cst"))
    found: dict[IrrepName, TensorReadout] = {}
    for count, irrep in gated:
        if irrep in first and irrep in last:
            channels = len(first[irrep])
            # without scalars there is nothing that gates could be made of, and they are the function of zero
            gates = first["0e"][:, width : width + count] if "0e" in first else torch.zeros(channels, count).double()
            maps = {"weights.0": first[irrep], "weights.1": outputs.sized(irrep, last[irrep]), "gates": gates}
            state |= under(f"tensor_readouts.{irrep}", maps)
            found[irrep] = TensorReadout(hidden=count, gates=by)
        width += count
    return readout, found, {name: tensor.contiguous() for name, tensor in state.items()}


def read_basis(model: Module) -> Tensors:
    """The matrices that a polarizability is a sum of, as the file has them: rounded, in one of float32."""
    model.demand("use_polarizability", True)  # without it mace-torch takes a scalar for a component of the dipole
    for name in UNUSED:
        model.tensor(name)
    basis = model.tensor("change_of_basis")
    if basis.shape != (6, 3, 3) or not torch.allclose(basis, symmetric_basis(), atol=1e-6):
        raise NotUnderstood(f"{model.at('change_of_basis')} is not the basis of symmetric matrices that mlzoo knows")
    return {"polarizability.basis": basis}
