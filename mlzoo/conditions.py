"""What a structure carries besides geometry: charge, spin, head, state, temperature; one value a structure."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlzoo.errors import InvalidCondition

COMMON = ("charge", "spin", "head", "state", "temperature")
"""What users expect to matter: given to a model that is blind to it, it is worth a warning. ``spin`` is 2S+1."""

ASSUMED = {"charge": (0,), "spin": (1, 2)}
"""What a model that is blind to it stands for: neutral, and the lowest multiplicity, which pymatgen fills in by itself."""


@dataclass(frozen=True)
class Condition:
    """One condition that a model knows.

    A labelled condition (a head, a level of theory) is given by label, in small or large letters, or by number, and
    reaches the model as an integer; any other is a number. Without a default it must be given.
    """

    name: str
    default: float | int | str | None = None
    labels: tuple[str, ...] = ()

    @property
    def example(self) -> float | int | str:
        """A value that it can take: the default where there is one."""
        if self.default is not None:
            return self.default
        return self.labels[0] if self.labels else 1.0

    def encode(self, value: Any) -> Tensor:
        """The value as a tensor with one entry: int64 where there are labels, float64 where not."""
        if not self.labels:
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                raise InvalidCondition(f"{self.name}={value!r} is not a number. Give a finite one.")
            return torch.tensor([number], dtype=torch.float64)
        if isinstance(value, str) and (label := self._spelled(value)):
            return torch.tensor([self.labels.index(label)])
        if isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= value < len(self.labels):
            return torch.tensor([int(value)])
        known = ", ".join(f"{label!r} ({number})" for number, label in enumerate(self.labels))
        raise InvalidCondition(f"{self.name}={value!r} is not known to this model. It knows {known}.")

    def _spelled(self, said: str) -> str | None:
        """The label that is meant: as it is written, or the only one that differs in capitals alone."""
        if said in self.labels:
            return said
        alike = [label for label in self.labels if label.lower() == said.lower()]
        return alike[0] if len(alike) == 1 else None


def encode_conditions(known: Sequence[Condition], given: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors for every condition that the model knows, from what the structure carries or the defaults.

    A charge, a high spin, a head, ..., given to a model that is blind to it warns once, and a missing one that has no
    default raises :class:`InvalidCondition`.
    """
    names = [condition.name for condition in known]
    for name, value in given.items():
        if name in COMMON and name not in names and value not in ASSUMED.get(name, ()):
            warnings.warn(
                f"this model does not know {name}, so {name}={value!r} changes nothing "
                f"(it knows {', '.join(names) or 'no conditions'})",
                stacklevel=2,
            )
    encoded = {}
    for condition in known:
        value = given.get(condition.name, condition.default)
        if value is None:
            raise InvalidCondition(
                f"this model needs {condition.name}. Set atoms.info[{condition.name!r}] or pass {condition.name}=..."
                + (f" It knows {', '.join(condition.labels)}." if condition.labels else "")
            )
        encoded[condition.name] = condition.encode(value)
    return encoded
