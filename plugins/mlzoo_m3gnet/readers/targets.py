"""What a property is called, for files that do not say it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlzoo.errors import UnreadableFile
from mlzoo.targets import UNITS, Target, named

PROBABILITY = "probability"


def target_of(
    path: Path, name: str | None, classification: bool, scaling: Mapping[str, float]
) -> tuple[Target, tuple[str, ...]]:
    """The target of a property model, and what the user should hear where nobody knows its ``name``.

    Raises :class:`UnreadableFile` for a yes or no under the name of an amount, and the other way round.
    """
    fields, notices = named(name)
    if name is not None and classification != (UNITS[name] == PROBABILITY):
        kind, other = ("a probability", "an amount") if classification else ("an amount", "a probability")
        raise UnreadableFile(f"{path} predicts {kind}, and target={name!r} is {other}. Choose another name, or none.")
    if classification:
        fields["unit"] = PROBABILITY
    return Target(**fields, classification=classification, **scaling), notices  # type: ignore[arg-type]
