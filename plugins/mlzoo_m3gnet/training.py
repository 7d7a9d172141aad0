"""How an M3GNet is trained: its reference energies, its scale, its target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlzoo.plugin import Training
from mlzoo.targets import UNITS

if TYPE_CHECKING:
    from mlzoo.model import Model
    from mlzoo.training.statistics import Statistics
    from mlzoo_m3gnet.model import M3GNet


def complete(fields: Mapping[str, Any], known: Statistics) -> dict[str, Any]:
    """Elements; the scale of the energy, or name, unit, mean and standard deviation of the property."""
    readout = dict(fields.get("readout", {"kind": "energy" if not known.targets else "set2set"}))
    if readout.get("kind", "energy") == "energy":
        readout.setdefault("scale", known.head.scale)
    else:
        name, mean, std = known.target
        readout.setdefault("target", {"name": name, "unit": UNITS.get(name, ""), "mean": mean, "std": std})
    return {"elements": known.elements, **fields, "readout": readout}


def carry(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Of another M3GNet, all but the property that it gives; the energy keeps its scale."""
    readout = {name: value for name, value in fields["readout"].items() if name != "target"}
    return {**fields, "readout": readout}


def prepare(model: M3GNet, known: Statistics) -> None:
    """Reference energies of the elements."""
    references = getattr(model, "references", None)
    if references is not None:
        energies = [known.head.references.get(z, 0.0) + known.head.shift for z in model.elements]
        references.energies.copy_(references.energies.new_tensor(energies))


def form(model: M3GNet) -> Model:
    """The same parameters, with the edge perceptrons in Numba kernels."""
    return model.learning_form()


TRAINING = Training(complete=complete, prepare=prepare, carry=carry, form=form)
