"""Several models of the same thing as one: their mean, and how far they disagree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase.data import chemical_symbols

from mlzoo.batching import Prediction
from mlzoo.errors import DifferentMembers, PredictionError
from mlzoo.neighbors import Pairs
from mlzoo.predictor import Predictor
from mlzoo.properties import Property
from mlzoo.structures import is_structure

if TYPE_CHECKING:
    from mlzoo.ase_calculator import MlzooCalculator

ZERO = 1e-3  # eV an atom, by which reference energies may differ


class Committee:
    """Predictors that answer together: the mean of each property, and its population standard deviation ``NAME_std``.

    Raises :class:`DifferentMembers` where their energies do not mean the same.
    """

    def __init__(self, members: Sequence[Predictor]):
        self.members = tuple(members)
        self.name = " + ".join(member.name for member in self.members)
        _check(self.members)
        common = [set(member.predicts) for member in self.members]
        shared = [each for each in self.members[0].predicts if all(each in others for others in common)]
        self.predicts = tuple(each for mean in shared for each in (mean, _spread_of(mean)))

    @property
    def model(self) -> Any:
        """What the members have in common, as far as a calculator asks: that of the first."""
        return self.members[0].model

    @property
    def cutoff(self) -> float:
        """Å. Raises :class:`DifferentMembers` where there is not one for all."""
        cutoffs = {member.cutoff for member in self.members}
        if len(cutoffs) > 1:
            raise DifferentMembers(
                f"{self.name} have cutoffs {sorted(cutoffs)} Å and share no neighbour list: use skin=0."
            )
        return cutoffs.pop()

    @property
    def provenance(self) -> dict[str, Any]:
        return {"model": self.name, "members": [member.provenance for member in self.members]}

    def check_conditions(self, conditions: Mapping[str, Any]) -> None:
        for member in self.members:
            member.check_conditions(conditions)

    def answer(
        self,
        structure: object,
        names: Collection[str],
        conditions: Mapping[str, Any],
        pairs: Pairs | None = None,
        demanded: Collection[str] = (),
    ) -> Prediction:
        """As :meth:`Predictor.answer`."""
        asked, needed = _means(names), _means(demanded)
        return _joined([member.answer(structure, asked, conditions, pairs, needed) for member in self.members])

    def predict(
        self,
        structures: object,
        properties: Collection[str] | None = None,
        *,
        on_error: Literal["raise", "keep"] = "raise",
        **conditions: Any,
    ) -> Any:
        """As :meth:`Predictor.predict`, with ``NAME_std`` beside each property."""
        names = [each.name for each in self.predicts] if properties is None else [*properties]
        asked = _means([properties] if isinstance(properties, str) else names)
        if is_structure(structures) or not isinstance(structures, Iterable):
            return _joined([member.predict(structures, asked, **conditions) for member in self.members])
        sequence = structures if isinstance(structures, Sequence) else list(structures)
        every = [member.predict(sequence, asked, on_error=on_error, **conditions) for member in self.members]
        return list(_each(zip(*every, strict=True)))

    def calculator(self, *, skin: float = 0.0, **conditions: Any) -> MlzooCalculator:
        """An ASE calculator of the mean; deviations stand in its ``results``."""
        from mlzoo.ase_calculator import MlzooCalculator

        return MlzooCalculator(self, skin=skin, **conditions)

    def __repr__(self) -> str:
        return f"<mlzoo committee: {self.name}>"


def _check(members: Sequence[Predictor]) -> None:
    if len(members) < 2:
        raise DifferentMembers(f"a committee has at least two members, not {len(members)}.")
    first = members[0]
    for other in members[1:]:
        if other.card.theory != first.card.theory:
            raise DifferentMembers(
                f"{first.name} was trained on {first.card.theory}, {other.name} on {other.card.theory}: "
                "the mean of their energies means nothing."
            )
        ours, theirs = first.model.reference_energies, other.model.reference_energies
        for z in ours.keys() & theirs.keys():
            if not np.allclose(ours[z], theirs[z], rtol=0, atol=ZERO):
                raise DifferentMembers(
                    f"{first.name} counts {chemical_symbols[z]} as {ours[z]} eV, {other.name} as {theirs[z]} eV: "
                    "their energies have different zeros. Choose members with the same reference energies."
                )


def _spread_of(mean: Property) -> Property:
    return replace(mean, name=f"{mean.name}_std", description=f"population standard deviation of {mean.name}")


def _means(names: Collection[str]) -> list[str]:
    return list(dict.fromkeys(name.removesuffix("_std") for name in names))


def _joined(answers: Sequence[Prediction]) -> Prediction:
    joined: Prediction = {}
    for name in answers[0]:
        values = np.array([answer[name] for answer in answers])
        for key, value in ((name, values.mean(axis=0)), (f"{name}_std", values.std(axis=0))):
            joined[key] = float(value) if np.ndim(value) == 0 else value
    return joined


def _each(rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
    for answers in rows:
        failed = [answer for answer in answers if isinstance(answer, PredictionError)]
        yield failed[0] if failed else _joined(answers)
