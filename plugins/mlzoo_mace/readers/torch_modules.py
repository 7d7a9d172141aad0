"""A torch module as its pickle holds it. Nothing of it is run; what is asked for is remembered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from mlzoo.inert_pickle import Record, Reference

IMMATERIAL = frozenset(  # switches that say nothing that tensors, children and classes do not say as well
    [
        *("training", "internal_weights", "shared_weights", "elementwise_affine", "pair_repulsion", "lammps_mliap"),
        *("apply_cutoff", "use_reduced_cg", "use_edge_irreps_first", "use_last_readout_only", "use_agnostic_product"),
    ]
)
DERIVED = frozenset(  # children and tensors that follow from others: views, compiled products, masks, copies
    [
        *("reshape", "contractions_weighting", "contractions_features", "graph_opt_main"),
        *("output_mask", "r_max", "num_interactions"),
    ]
)
DERIVED_TOO = re.compile(r"weights_(\d+|max)_zeroed")


class NotUnderstood(Exception):
    """The file says something that our networks cannot express, or that no such file should say."""


class Module:
    """Class, attributes, tensors and children of a module. Floating-point tensors are given in float64."""

    def __init__(self, record: object, path: str = ""):
        if not isinstance(record, Record) or not isinstance(record.state, dict) or "_modules" not in record.state:
            raise NotUnderstood(f"{path or 'the file'} holds {said(record)}, which is no torch module")
        self.path = path
        self.kind = record.name.rpartition(".")[2]
        self._attributes: dict[str, Any] = record.state
        self._records: dict[str, Any] = record.state["_modules"]
        parameters, buffers = record.state["_parameters"], record.state["_buffers"]
        if parameters.keys() & buffers.keys():
            raise NotUnderstood(f"{path} has two tensors of the name {min(parameters.keys() & buffers.keys())}")
        self._tensors = {name: tensor for name, tensor in {**parameters, **buffers}.items() if tensor is not None}
        self._children: dict[str, Module] = {}
        self._asked: set[str] = set()

    def at(self, name: str) -> str:
        """Where something of this module stands in the file, dotted."""
        return f"{self.path}.{name}".removeprefix(".")

    def says(self, name: str, default: Any = None) -> Any:
        """A plain attribute."""
        self._asked.add(name)
        return self._attributes.get(name, default)

    def demand(self, name: str, value: Any) -> None:
        """An attribute of which we know one value only."""
        found = self.says(name, value)
        if found != value:
            raise NotUnderstood(f"{self.at(name)} is {said(found)}, of which mlzoo knows {value!r} only")

    def has(self, name: str) -> bool:
        return name in self._tensors or self._records.get(name) is not None

    def tensor(self, name: str) -> Tensor:
        self._asked.add(name)
        found = self._tensors.get(name)
        if not isinstance(found, Tensor):
            raise NotUnderstood(f"the tensor {self.at(name)} is missing")
        if found.numel() * found.itemsize > found.untyped_storage().nbytes():
            raise NotUnderstood(f"{self.at(name)} has {found.numel()} elements that are not all in the file")
        return found.double() if found.is_floating_point() else found

    def dtype(self, name: str) -> str:
        """In what precision the file has a tensor."""
        return str(self._tensors[name].dtype).removeprefix("torch.")

    def number(self, name: str) -> int | float:
        return float(self.tensor(name).item())

    def child(self, name: str, *kinds: str) -> Module:
        """A child of one of these classes."""
        if name not in self._children:
            if self._records.get(name) is None:
                raise NotUnderstood(f"{self.at(name)} is missing")
            self._children[name] = Module(self._records[name], self.at(name))
        found = self._children[name]
        if found.kind not in kinds:
            raise NotUnderstood(f"{found.path} is of the class {found.kind}; mlzoo reads {', '.join(kinds)}")
        return found

    def children(self, name: str, kind: str = "ModuleList") -> list[Module]:
        """The members of a list of modules, of any class."""
        parent = self.child(name, kind)
        there = {place: record for place, record in parent._records.items() if record is not None}
        for place, record in there.items():
            parent._children[place] = parent._children.get(place) or Module(record, parent.at(place))
        return [parent._children[place] for place in there]

    def tensors(self, name: str) -> list[Tensor]:
        """The members of a list of parameters."""
        parent = self.child(name, "ParameterList")
        return [parent.tensor(place) for place in parent._tensors]

    def unread(self) -> Iterator[str]:
        """Everything from here on that would change the numbers, had it been asked for."""
        for name, value in self._attributes.items():
            known = name in self._asked or name in IMMATERIAL or is_irreps(value)
            if name.endswith("_hooks") and value:
                yield self.at(name)
            elif not (known or name.startswith("_")) and (value is True or isinstance(value, Record | Reference)):
                yield f"{self.at(name)} = {said(value)}"
        for name, tensor in self._tensors.items():
            known = name in self._asked or name in DERIVED or DERIVED_TOO.fullmatch(name) is not None
            if not known and tensor.numel() > 0:
                yield self.at(name)
        for name, record in self._records.items():
            if name in self._children:
                yield from self._children[name].unread()
            elif record is not None and name not in DERIVED:
                yield f"{self.at(name)} ({said(record)})"


def is_irreps(value: object) -> bool:
    return isinstance(value, Record) and value.name.endswith(".Irreps")


def said(value: object) -> str:
    """A value in a sentence: the name that the file gives it, or a short form of what it is."""
    match value:
        case Record(name=name) | Reference(name=name):
            return name
        case None | bool() | int() | float() | str():
            return repr(value)[:40]
        case _:
            return f"a {type(value).__name__}"
