"""From a frame to an example: labels checked and in our units, group and weight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from mlzoo.errors import InvalidStructure, UnreadableFile
from mlzoo.structures import SMALLEST_VOLUME, Structure, scalars, structure_from
from mlzoo.training.data.example import HEAD, Example
from mlzoo.training.data.frames import Frame, broken
from mlzoo.training.data.keys import LOOKED_FOR, Keys

ISOLATED = "isolatedatom"
"""``config_type`` of a frame that gives the energy of a free atom, without capitals, blanks, - and _."""

ASYMMETRY = 0.01  # of the largest component, by which a stress may differ from its transpose ...
NOISE = 1e-5  # eV/Å³ or eV; ... or by this

NEXT = "Correct the frame, name another key (keys), or go on without such frames (on_error='skip')."


@dataclass(frozen=True)
class Reference:
    """The energy of a free atom."""

    atomic_number: int
    energy: float  # eV
    source: str
    head: str = HEAD


def read_frame(frame: Frame, keys: Keys) -> tuple[Example | Reference, dict[str, str]]:
    """An example, or the energy of a free atom; and {label: key} of where its labels stood.

    A free atom is a frame of one atom with an energy whose group or ``config_type`` is IsolatedAtom, in any spelling.
    Raises :class:`UnreadableFile`, which names frame and value, for a structure that no model can take and for labels
    that are not numbers, not finite or of a wrong shape.
    """
    chosen = keys.of(frame.values.keys())
    structure = _structure(frame, {*chosen.values(), *keys.named.values(), *LOOKED_FOR})
    if "energy" in chosen and _is_isolated(frame, structure, keys):
        energy = _label(frame, keys, structure, "energy", chosen["energy"])
        head = str(structure.conditions.get("head", HEAD))
        return Reference(int(structure.atomic_numbers[0]), float(energy), frame.source, head), {}
    labels = {_ours(name): _label(frame, keys, structure, name, key) for name, key in chosen.items()}
    group = str(frame.values.get(keys.group_key, "all"))
    weight = _weight(frame, keys) * keys.group_weights.get(group, 1.0)
    return Example(structure, labels, weight=weight, group=group, source=frame.source), chosen


def as_reference(frame: Frame, keys: Keys) -> Reference:
    """The energy of a free atom from a frame that is said to give one. Raises :class:`UnreadableFile`."""
    read, _ = read_frame(replace(frame, values={**frame.values, "config_type": ISOLATED}), keys)
    if isinstance(read, Example):
        atoms = len(read.structure.atomic_numbers)
        has = f"{atoms} atoms" if atoms != 1 else "no energy"
        raise broken(
            frame.source, f"it has {has}, and the energy of a free atom is that of one. Take it out of the file."
        )
    return read


def _structure(frame: Frame, labels: set[str]) -> Structure:
    """Without the labels among what it carries: a label is not a condition."""
    try:
        structure = structure_from(frame.structure, scalars(frame.carried))
    except InvalidStructure as error:
        raise broken(frame.source, str(error)) from None
    kept = {name: value for name, value in structure.conditions.items() if name not in labels}
    return replace(structure, conditions=kept)


def _is_isolated(frame: Frame, structure: Structure, keys: Keys) -> bool:
    said = (str(frame.values.get(key, "")) for key in (keys.group_key, "config_type"))
    spelled = {"".join(letter for letter in word.lower() if letter.isalnum()) for word in said}
    return len(structure.atomic_numbers) == 1 and bool(spelled & {ISOLATED, ISOLATED + "s"})


def _ours(name: str) -> str:
    return "stress" if name == "virials" else name


def _label(frame: Frame, keys: Keys, structure: Structure, name: str, key: str) -> float | np.ndarray:
    numbers = _numbers(frame, name, key)
    atoms = len(structure.atomic_numbers)
    if name == "energy":
        numbers = (
            numbers.reshape(()) if numbers.size == 1 else _refuse(frame, key, numbers, "a total energy is one number")
        )
    elif name == "forces" and numbers.shape != (atoms, 3):
        _refuse(frame, key, numbers, f"the forces on {atoms} atoms have shape ({atoms}, 3)")
    elif name in ("stress", "virials"):
        numbers = _voigt(frame, name, key, numbers)
    elif numbers.size == 1 and atoms > 1:
        numbers = numbers.reshape(())
    numbers = numbers * float(keys.factors.get(name, 1.0))
    if name == "virials":
        numbers = -numbers / _volume(frame, key, structure)
    return numbers if numbers.ndim else float(numbers)


def _numbers(frame: Frame, name: str, key: str) -> np.ndarray:
    value = frame.values[key]
    try:
        array = np.asarray(value)
        allowed = "iuf" if name in ("energy", "forces", "stress", "virials") else "iufb"
        if array.dtype.kind not in allowed or not array.size:
            raise ValueError
    except ValueError:  # ragged lists too
        raise wrong(frame, f"{key} is {_short(value)}, and {_ours(name)} is made of numbers") from None
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        where = f"[{', '.join(map(str, place))}]" if place else ""
        raise wrong(frame, f"{key}{where} is {array[place]}, and nothing can be learned from that")
    return array


def _voigt(frame: Frame, name: str, key: str, numbers: np.ndarray) -> Float[np.ndarray, "6"]:
    """Six components in ASE's order xx yy zz yz xz xy; nine become six when they are symmetric."""
    if numbers.shape == (6,):
        return numbers
    if numbers.shape not in ((3, 3), (9,)):
        _refuse(frame, key, numbers, f"{name} has six components in the order xx yy zz yz xz xy, or 3 × 3")
    full = numbers.reshape(3, 3)
    if np.abs(full - full.T).max() > max(ASYMMETRY * np.abs(full).max(), NOISE):
        raise wrong(frame, f"{key} is {full.tolist()}, which is not symmetric")
    symmetric = (full + full.T) / 2
    return symmetric[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def _volume(frame: Frame, key: str, structure: Structure) -> float:
    volume = float(abs(np.linalg.det(structure.cell)))
    if volume < SMALLEST_VOLUME:
        raise wrong(frame, f"{key} cannot become a stress, because the cell has no volume")
    return volume


def _weight(frame: Frame, keys: Keys) -> float:
    value = frame.values.get(keys.weight_key, 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
        raise wrong(frame, f"{keys.weight_key} is {_short(value)}, and a weight is a number that is not negative")
    return float(value)


def _refuse(frame: Frame, key: str, numbers: np.ndarray, expected: str) -> Any:
    raise wrong(frame, f"{key} has shape {numbers.shape}, but {expected}")


def wrong(frame: Frame, why: str) -> UnreadableFile:
    return UnreadableFile(f"frame {frame.source}: {why}. {NEXT}")


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:57] + "..."
