"""mace-torch's joint embedding: what is known of a structure besides its geometry, side by side through one linear map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mlzoo_mace.config import Embedded, EmbeddedNumber
from mlzoo_mace.readers.e3nn_maps import Tensors, under
from mlzoo_mace.readers.torch_modules import Module, NotUnderstood, said

CONDITIONS = {"total_charge": ("charge", 0), "total_spin": ("spin", 1), "elec_temp": ("temperature", 0)}
"""Their name: ours, and what is assumed. Any other keeps its name, and has to be given."""

Condition = Embedded | EmbeddedNumber


def read_conditions(
    joint: Module, specifications: Mapping[str, Any], elements: int
) -> tuple[tuple[Condition, ...], Tensors]:
    """Conditions, and the tensors of an embedding but for the table of elements.

    Each feature's last linear map and its part of the common one are one. Biases of last maps are the same for all
    elements.
    """
    project = joint.child("project", "Sequential")
    mix = project.child("0", "Linear").tensor("weight").T  # (all features side by side, C)
    project.child("1", "SiLU")
    embedders = joint.child("embedders", "ModuleDict")
    parts = mix.split([specification["emb_dim"] for specification in specifications.values()])
    constant = torch.zeros_like(mix[0])
    conditions: list[Condition] = []
    state: Tensors = {}
    for (name, specification), part in zip(specifications.items(), parts, strict=True):
        ours, default = CONDITIONS.get(name, (name, None))
        if specification["per"] != "graph":
            raise NotUnderstood(
                f"{joint.path} embeds {name} per {said(specification['per'])}; mlzoo reads what a structure has one of"
            )
        tensors: Tensors
        if specification["type"] == "categorical":
            table = embedders.child(name, "Embedding").tensor("weight")
            offset = specification.get("offset", 0)
            conditions.append(Embedded(condition=ours, classes=len(table), offset=offset, default=default))
            tensors = {"table": table @ part}
        elif specification["type"] == "continuous":
            inner, bias, outer, rest = _perceptron(embedders.child(name, "Sequential"), part)
            conditions.append(EmbeddedNumber(condition=ours, hidden=len(inner), default=default))
            constant = constant + rest
            tensors = {"inner": inner, "bias": bias, "outer": outer}
        else:
            raise NotUnderstood(
                f"{joint.path} embeds {name} as {said(specification['type'])}; mlzoo reads 'categorical' and 'continuous'"
            )
        state |= under(f"conditions.{len(conditions) - 1}", tensors)
    return tuple(conditions), {**state, "joint": constant.expand(elements, -1).clone()}


def _perceptron(module: Module, part: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """From a number to a hidden layer, its bias, from there to the first features, and what is added to these."""
    first, last = (module.child(place, "Linear") for place in ("0", "2"))
    module.child("1", "SiLU")
    weight = first.tensor("weight")  # (hidden, 1)
    if weight.shape[1] != 1:
        raise NotUnderstood(f"{module.path} embeds {weight.shape[1]} numbers; mlzoo reads one a structure")
    biases = [each.tensor("bias") if each.has("bias") else torch.zeros_like(weight[:, 0]) for each in (first, last)]
    return weight[:, 0].contiguous(), biases[0], last.tensor("weight").T @ part, biases[1] @ part
