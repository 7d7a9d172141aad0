"""`mlzoo predict`: structures in, the same structures with energies, forces and stress out.

file ──► frames ──► batches of the model ──► rows on stdout, frames in the output
            └── those that fail ──► named at the end
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlzoo.cli import options
from mlzoo.cli.console import Progress, tell

if TYPE_CHECKING:
    from ase import Atoms

    from mlzoo.cli.files import FrameRead
    from mlzoo.predictor import Predictor

ROWS = 20  # of the table on stdout


@dataclass(frozen=True)
class Answer:
    """One frame: its results, or why there are none."""

    index: int  # in the input file
    atoms: Atoms | None
    results: dict[str, Any] | None = None
    failure: str = ""


def predict(
    file: options.File,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="extxyz file that gets the structures and results.")
    ] = None,
    model: options.Model = options.DEFAULT_MODEL,
    properties: Annotated[
        list[str] | None,
        typer.Option("--properties", "-p", help="energy,forces,...; all the model predicts by default."),
    ] = None,
    index: Annotated[
        str, typer.Option("--index", help="Frames of FILE: a number or a slice, such as 0, -1, 10:20.")
    ] = ":",
    device: options.Device = "auto",
    dtype: options.Precision = None,
    option: options.Reader = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a frame on stdout, everything in it.")
    ] = False,
) -> None:
    """Predict for all frames of a file.

    Energy (eV), forces (eV/Å), stress (eV/Å³, ASE's sign: positive in tension) and whatever else the model predicts.

    A frame that fails does not stop the others: it is named at the end, and the exit status is 1.
    """
    from mlzoo.cli.files import check_output, output_format, parse_index, read_frames

    parse_index(index)
    if out is not None:
        check_output(out, file)
        if output_format(out) != "extxyz":
            raise typer.BadParameter(f"{out}: predict writes extxyz. Call it {out.stem}.extxyz")
    frames = read_frames(file, index)
    first = next(frames)  # a file that cannot be read is told before a model is loaded
    predictor = options.load_model(model, device, dtype, option)
    names = _names(properties, predictor)

    table: list[Answer] = []
    failed: list[Answer] = []
    written = 0
    with ExitStack() as stack:
        write = stack.enter_context(_writer(out, predictor.provenance)) if out else None
        progress = stack.enter_context(Progress("predict", total=None))
        for count, answer in enumerate(_answers(predictor, _chain(first, frames), names), 1):
            progress.show(count)
            if as_json:
                typer.echo(json.dumps(_as_json(answer)))
            if answer.results is None:
                failed.append(answer)
                continue
            if len(table) < ROWS:
                table.append(answer)
            written += 1
            if write is not None:
                write(answer)
    if not as_json:
        _print_table(table, predictor, written)
    if out is not None:
        tell(
            f"{written} frame{'s' * (written != 1)} in {out}." if written else f"nothing to write: {out} is as it was."
        )
    for answer in failed:
        tell(f"error: frame {answer.index}: {answer.failure}")
    if failed:
        raise typer.Exit(1)


def _names(asked: Sequence[str] | None, predictor: Predictor) -> tuple[str, ...] | None:
    from mlzoo.errors import UnsupportedProperty

    if not asked:
        return None
    names = tuple(name for entry in asked for name in entry.replace(",", " ").split())
    known = [prediction.name for prediction in predictor.model.predicts]
    for name in names:
        if name not in known:
            raise UnsupportedProperty(f"{predictor.name} does not predict {name!r}. It predicts {', '.join(known)}.")
    return names


def _chain(first: FrameRead, others: Iterator[FrameRead]) -> Iterator[FrameRead]:
    yield first
    yield from others


def _answers(predictor: Predictor, frames: Iterable[FrameRead], names: tuple[str, ...] | None) -> Iterator[Answer]:
    """One answer a frame, in order; the model sees the frames that could be read, in batches."""
    import numpy as np

    from mlzoo.cli.files import one_line
    from mlzoo.errors import PredictionError

    waiting: deque[FrameRead] = deque()

    def readable() -> Iterator[Atoms]:
        for number, frame in frames:
            waiting.append((number, frame))
            if not isinstance(frame, Exception):
                yield frame

    def unreadable() -> Iterator[Answer]:
        while waiting and isinstance(waiting[0][1], Exception):
            number, error = waiting.popleft()
            yield Answer(number, None, failure=str(error))

    for results in predictor.predict(readable(), names, on_error="keep"):
        yield from unreadable()
        number, atoms = waiting.popleft()
        assert not isinstance(atoms, Exception)
        if isinstance(results, PredictionError):
            yield Answer(number, atoms, failure=one_line(results.reason))
        elif not all(np.isfinite(value).all() for value in results.values()):
            broken = [name for name, value in results.items() if not np.isfinite(value).all()]
            yield Answer(number, atoms, failure=f"{', '.join(broken)} not finite: are atoms on top of each other?")
        else:
            yield Answer(number, atoms, results)
    yield from unreadable()


class _writer:
    """The output file, opened with the first frame, in place when the last is written."""

    def __init__(self, out: Path, provenance: dict[str, Any]):
        self._out = out
        self._provenance = provenance
        self._stack = ExitStack()

    def __enter__(self) -> Callable[[Answer], None]:
        from mlzoo.cli.files import frame_of, replacing

        self._stack.__enter__()
        part = self._stack.enter_context(replacing(self._out))
        file: Any = None

        def write(answer: Answer) -> None:
            nonlocal file
            from ase.io import write as ase_write

            assert answer.atoms is not None
            assert answer.results is not None
            file = file or self._stack.enter_context(part.open("w"))
            ase_write(file, frame_of(answer.atoms, answer.results, self._provenance), format="extxyz")

        return write

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


def _as_json(answer: Answer) -> dict[str, Any]:
    said: dict[str, Any] = {"index": answer.index}
    if answer.atoms is not None:
        said |= {"formula": str(answer.atoms.symbols), "n_atoms": len(answer.atoms)}
    if answer.results is None:
        return {**said, "error": answer.failure}
    return said | {
        name: getattr(value, "tolist", lambda value=value: value)() for name, value in answer.results.items()
    }


def _print_table(answers: Sequence[Answer], predictor: Predictor, total: int) -> None:
    from rich.console import Console
    from rich.table import Table

    if not answers:
        return
    table = Table("frame", "formula", "atoms", box=None, pad_edge=False)
    columns = _columns(predictor, answers)
    for title, _ in columns:
        table.add_column(title, justify="right")
    for answer in answers:
        assert answer.atoms is not None
        cells = [number(answer) for _, number in columns]
        said = ["" if value is None else f"{value:.4f}" for value in cells]
        table.add_row(str(answer.index), answer.atoms.get_chemical_formula(), str(len(answer.atoms)), *said)
    Console().print(table)
    if total > len(answers):
        typer.echo(f"... and {total - len(answers)} more")


def _columns(predictor: Predictor, answers: Sequence[Answer]) -> list[tuple[str, Callable[[Answer], float | None]]]:
    """What is worth a column: every number a structure has, the largest force, the pressure."""
    import numpy as np
    from ase.units import GPa

    def scalar(name: str) -> Callable[[Answer], float | None]:
        return lambda answer: (answer.results or {}).get(name)

    def largest_force(answer: Answer) -> float | None:
        forces = (answer.results or {}).get("forces")
        return None if forces is None else float(np.linalg.norm(forces, axis=1).max())

    def pressure(answer: Answer) -> float | None:
        stress = (answer.results or {}).get("stress")
        return None if stress is None else float(-stress[:3].mean() / GPa)

    there = {name for answer in answers for name in answer.results or {}}
    columns: list[tuple[str, Callable[[Answer], float | None]]] = []
    for said in predictor.model.predicts:
        if said.name in there and all(np.ndim((answer.results or {}).get(said.name, 0.0)) == 0 for answer in answers):
            columns.append((f"{said.name} ({said.unit})", scalar(said.name)))
    if "forces" in there:
        columns.append(("max force (eV/Å)", largest_force))
    if "stress" in there:
        columns.append(("pressure (GPa)", pressure))
    return columns
