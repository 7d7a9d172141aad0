"""What one would like to know of the data before hours of training: it is told, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlzoo.neighbors import find_pairs
from mlzoo.training.data.copies import copies, look_alikes, other_labels
from mlzoo.training.data.example import Example
from mlzoo.training.data.outliers import energy_outliers, force_outliers

CLOSE = 0.5  # Å
FEW = 5  # structures with an element, below which nothing much is learned of it
NAMED = 10  # structures that a sentence names


@dataclass(frozen=True)
class Finding:
    """Something to look at: a sentence for the person who trains, and every structure it is about."""

    kind: str
    sentence: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """All findings, in a fixed order; nothing to find makes it false."""

    n_structures: int
    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def of(self, kind: str) -> list[Finding]:
        """Those of one kind, ``"duplicates"`` for example."""
        return [finding for finding in self.findings if finding.kind == kind]

    def __str__(self) -> str:
        if not self.findings:
            return f"{self.n_structures} structures looked over: nothing stands out."
        return "\n".join(
            [f"{self.n_structures} structures looked over:", *(f"- {finding.sentence}" for finding in self.findings)]
        )


def look_over(examples: Sequence[Example]) -> Findings:
    """Duplicates, labels that contradict each other or stand out, atoms on top of each other, and what is missing."""
    return Findings(len(examples), tuple(_findings(examples)))


def overlap(training: Sequence[Example], validation: Sequence[Example]) -> Findings:
    """Structures of validation that are learned from as well, so that an error on them tells nothing."""
    both = [*training, *validation]
    found = [
        *_across(
            "in both",
            "Structures of validation that are in the training data as well",
            both,
            len(training),
            copies(both),
        )
    ]
    known = {source for finding in found for source in finding.sources}
    alike = [*_across("alike in both", ALIKE, both, len(training), look_alikes(both))]
    return Findings(len(both), (*found, *(finding for finding in alike if set(finding.sources) - known)))


ALIKE = (
    "Structures of validation with the energy per atom and the largest force of one in the training data, probably the "
    "same in another setting"
)


def _across(
    kind: str, what: str, both: Sequence[Example], border: int, groups: Iterable[list[int]]
) -> Iterator[Finding]:
    held_back = [index for group in groups if group[0] < border for index in group if index >= border]
    if held_back:
        yield _finding(kind, what, [both[index] for index in sorted(held_back)])


def _findings(examples: Sequence[Example]) -> Iterator[Finding]:
    groups = copies(examples)
    if groups:
        again = [examples[index] for index in sorted(index for group in groups for index in group[1:])]
        yield _finding("duplicates", "Copies of another structure, which count more than once in the loss", again)
    if contradicting := [group for group in groups if other_labels([examples[index] for index in group])]:
        yield _finding(
            "inconsistent labels",
            "Structures of one geometry with different labels, of which one is wrong or of another method",
            [examples[index] for group in contradicting for index in group],
        )
    copied = {index for group in groups for index in group}
    if alike := sorted(index for group in look_alikes(examples) for index in group[1:] if not copied & set(group)):
        yield _finding(
            "look-alikes",
            "Structures with the energy per atom and the largest force of another one, probably the same in another "
            "setting, which should fall to the same side of a split",
            [examples[index] for index in alike],
        )
    for kind, what, which in (*energy_outliers(examples), *force_outliers(examples)):
        yield _finding(kind, what, [examples[index] for index in which])
    yield from _each(examples)
    yield from _rare_elements(examples)


def _each(examples: Sequence[Example]) -> Iterator[Finding]:
    checks = {
        "close atoms": (f"Structures with atoms closer than {CLOSE} Å", _has_close_atoms),
        "unlabelled": ("Structures without labels, which add nothing", lambda example: not example.labels),
        "free atoms": (
            "Single atoms without periodicity, which need config_type=IsolatedAtom if their energies are references",
            lambda example: len(example.structure.atomic_numbers) == 1 and not example.structure.pbc.any(),
        ),
        "stress without periodicity": (
            "Structures with a stress but no periodic cell, without which there is none",
            lambda example: "stress" in example.labels and not example.structure.has_volume,
        ),
    }
    for kind, (what, is_so) in checks.items():
        if which := [example for example in examples if is_so(example)]:
            yield _finding(kind, what, which)


def _has_close_atoms(example: Example) -> bool:
    structure = example.structure
    return len(find_pairs(structure.positions, structure.cell, structure.pbc, CLOSE)) > 0


def _rare_elements(examples: Sequence[Example]) -> Iterator[Finding]:
    from ase.data import chemical_symbols

    having: dict[int, list[Example]] = {}
    for example in examples:
        for number in np.unique(example.structure.atomic_numbers):
            having.setdefault(int(number), []).append(example)
    rare = {number: having[number] for number in sorted(having) if len(having[number]) < FEW}
    if rare:
        symbols = ", ".join(chemical_symbols[number] for number in rare)
        every = {id(example): example for some in rare.values() for example in some}
        what = f"All there is of {symbols}, fewer than {FEW} structures for each, from which little is learned"
        yield _finding("rare elements", what, list(every.values()))


def _finding(kind: str, what: str, examples: Sequence[Example]) -> Finding:
    sources = tuple(example.source or "(no source)" for example in examples)
    named = ", ".join(sources[:NAMED])
    rest = f" and {len(sources) - NAMED} more" if len(sources) > NAMED else ""
    return Finding(kind, f"{what} ({len(sources)}): {named}{rest}.", sources)
