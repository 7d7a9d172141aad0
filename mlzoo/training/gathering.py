"""The structures that settings name: read, given their heads, and told apart into those to learn from and others."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ase.data import chemical_symbols

from mlzoo.errors import InvalidTraining
from mlzoo.training.data.example import HEAD, Example
from mlzoo.training.data.examples import Examples, Part
from mlzoo.training.data.keys import SPELLINGS, Keys
from mlzoo.training.data.looking_over import look_over, overlap
from mlzoo.training.data.reading import SAME_ENERGY, files, read_dataset
from mlzoo.training.data.shards import Shards, index_of, is_sharded
from mlzoo.training.data.splitting import split
from mlzoo.training.settings import DataSettings, HeadSettings

log = logging.getLogger("mlzoo")


@dataclass(frozen=True)
class Gathered:
    """All that is learned from and validated with."""

    train: Examples
    validation: Examples
    references: Mapping[str, Mapping[int, float]]  # energies of free atoms in eV, by head and atomic number
    files: tuple[Path, ...]  # that it was read from


def gather(said: DataSettings, targets: Sequence[str]) -> Gathered:
    """Everything, looked over: what stands out is told. Raises :class:`UnreadableFile` and :class:`InvalidTraining`."""
    train, validation = _Reading(said, targets), _Reading(said, targets)
    train.take(said.train, said.keys)
    validation.take(said.validation_files, said.keys)
    for name, head in said.heads.items():
        train.take(head.train, head.keys or said.keys, name)
        validation.take(head.validation_files, head.keys or said.keys, name)
    every = train.examples
    learned, checked = (every, validation.examples) if validation.parts else split(every, said.validation)
    _look_over(every, learned, checked, said.heads)
    return Gathered(learned, checked, train.references, tuple(train.files))


class _Reading:
    """Files of several heads, one after the other."""

    def __init__(self, said: DataSettings, targets: Sequence[str]):
        self._heads, self._targets = tuple(said.heads), targets
        self.parts: list[Part] = []
        self.references: dict[str, dict[int, float]] = {}
        self.files: list[Path] = []

    @property
    def examples(self) -> Examples:
        return Examples(self.parts)

    def take(self, paths: Sequence[str], keys: Keys, head: str | None = None) -> None:
        """All of these files; they are of a head where one is said, and elsewhere of what each frame carries."""
        found = files(list(paths))
        self.files += [index_of(path) for path in found]
        for path in found:
            if is_sharded(path):
                shards = Shards(path)
                self._add(shards, shards.references, head)
        found = [path for path in found if not is_sharded(path)]
        if not found:
            return
        own = [name for name in self._targets if name not in SPELLINGS]
        dataset = read_dataset(found, keys, by_head=bool(self._heads) and head is None, labels=own)
        self._add(dataset.examples, dataset.references, head)

    def _add(
        self, examples: list[Example] | Shards, references: Mapping[str, Mapping[int, float]], head: str | None
    ) -> None:
        self.parts.append(Part(examples, head))
        for carried, energies in references.items():
            name = head or (carried if self._heads else HEAD)
            known = self.references.setdefault(name, {})
            for z, energy in energies.items():
                if abs(known.setdefault(z, energy) - energy) > SAME_ENERGY:
                    raise InvalidTraining(
                        f"the data have two energies of a free atom of {chemical_symbols[z]}, {known[z]} and {energy} eV. "
                        "Keep one, or give each level of theory its head (data.heads)."
                    )


def _look_over(every: Examples, train: Examples, validation: Examples, heads: Mapping[str, HeadSettings]) -> None:
    """Level by level of theory, as their energies have nothing in common."""
    held = list(every.in_memory)
    for name in heads or (HEAD,):
        for finding in look_over([each for each in held if not heads or each.head == name]):
            log.warning("%s", finding.sentence)
    for finding in overlap(list(train.in_memory), list(validation.in_memory)):
        log.warning("%s", finding.sentence)
    if len(held) < len(every):
        log.info("%d structures in shards are not looked over", len(every) - len(held))
