"""Options that several commands share, and the model they ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mlzoo.predictor import Predictor

DEFAULT_MODEL = "mace-xtb-organic"


class Dtype(StrEnum):
    float32 = "float32"
    float64 = "float64"


File = Annotated[Path, typer.Argument(help="Structures in any format that ASE reads.")]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Structures in any format that ASE reads: paths, or patterns in quotes: 'data/**/*.cif'.",
    ),
]
Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="Name of a model, or path to a weight.")]
Device = Annotated[str, typer.Option("--device", help="auto (a GPU where there is one), cpu, cuda, cuda:1, ...")]
Precision = Annotated[Dtype | None, typer.Option("--dtype", help="Default: what the weight was stored in.")]
Frame = Annotated[int, typer.Option("--index", help="Which frame of FILE; negative counts from the end.")]
Reader = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="For the reader of the format: convention=v4."),
]
Key = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="LABEL=KEY", help="Where the file has a label: energy=REF_energy. May be repeated."),
]
Condition = Annotated[
    list[str] | None,
    typer.Option(
        "--condition",
        metavar="NAME=VALUE",
        help="charge=-1, state=hse, head=...: over what the structures carry. May be repeated.",
    ),
]


def load_model(
    model: str,
    device: str,
    dtype: Dtype | None,
    reader: list[str] | None,
    exact: bool = False,
    elements: list[str] | None = None,
) -> Predictor:
    import mlzoo

    said: dict[str, Any] = {"device": device, "dtype": dtype and dtype.value, "exact": exact, "elements": elements}
    return mlzoo.load(model, **said, **_pairs("--option", reader))  # type: ignore[arg-type]


def conditions(given: Iterable[str] | None, predictor: Predictor) -> dict[str, Any]:
    """What ``--condition`` says, numbers as numbers. Raises :class:`InvalidCondition` for what the model does not know."""
    said = {name: _number_or_word(value) for name, value in _pairs("--condition", given).items()}
    predictor.check_conditions(said)
    for condition in predictor.model.conditions:
        if condition.name in said:
            condition.encode(said[condition.name])
    return said


def keys(given: Iterable[str] | None) -> dict[str, str]:
    """What ``--key`` says: {label: key in the file}."""
    said = {}
    for entry in given or ():
        label, _, name = entry.partition("=")
        if not label or not name:
            raise typer.BadParameter(f"--key {entry!r} is not of the form LABEL=KEY, such as energy=REF_energy")
        said[label] = name
    return said


def _pairs(option: str, given: Iterable[str] | None) -> dict[str, str]:
    said = [entry.partition("=") for entry in given or ()]
    for name, equals, value in said:
        if not (name.isidentifier() and equals and value):
            raise typer.BadParameter(f"{option} {name + equals + value!r} is not of the form NAME=VALUE")
    return {name: value for name, _, value in said}


def _number_or_word(text: str) -> int | float | str:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def finite(value: Any) -> Any:
    """Callback for a number: typer's own ranges let NaN and infinity pass."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def positive(value: Any) -> Any:
    if value is not None and not finite(value) > 0:
        raise typer.BadParameter(f"{value} is not positive")
    return value


def not_negative(value: Any) -> Any:
    if value is not None and finite(value) < 0:
        raise typer.BadParameter(f"{value} is negative")
    return value
