"""What is said of a run of `mlzoo predict` when it ends: numbers on stdout, what failed on stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlzoo.cli.console import tell

if TYPE_CHECKING:
    from mlzoo.cli.answers import Column, Row
    from mlzoo.cli.tables import Table

FIRST = 20  # rows of the table on stdout


@dataclass
class Told:
    """What a run without a table has said so far: the first rows, and all that failed."""

    many: bool  # files
    rows: int = 0
    written: int = 0
    first: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows += 1
        if row.error:
            frame = f"frame {row.frame}"
            place = (f"{row.file}, {frame}" if row.frame else row.file) if self.many else frame
            self.failures.append(f"{place}: {row.error}")
            return
        self.written += 1
        if len(self.first) < FIRST:
            self.first.append(row)


@dataclass
class Pace:
    """How fast a run is."""

    rows: int = 0
    started: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return f"{counted(self.rows, 'structure')} in {time.monotonic() - self.started:.1f} s: {self.short}."

    @property
    def short(self) -> str:
        return f"{self.rows / max(time.monotonic() - self.started, 1e-9):.3g} a second"


def tell_of_table(table: Table, out: Path) -> None:
    """How many rows of the whole table have values, and the first of those that have an error instead."""
    whole = f"{counted(table.rows - table.failed, 'structure')} in {out}"
    tell(f"{whole}, {counted(table.failed, 'error')}:" if table.failed else f"{whole}.")
    for failure in table.failures:
        tell(f"error: {failure}")
    if table.failed > len(table.failures):
        tell(f"... and {table.failed - len(table.failures)} more, in the table's column error")


def tell_of_rows(told: Told, out: Path | None) -> None:
    """What was written, and all that failed."""
    if out is not None:
        tell(
            f"{counted(told.written, 'frame')} in {out}." if told.written else f"nothing to write: {out} is as it was."
        )
    for failure in told.failures:
        tell(f"error: {failure}")


def print_rows(told: Told, columns: Sequence[Column]) -> None:
    """The first rows as a table on stdout, without columns that are empty."""
    from rich.console import Console
    from rich.table import Table as Drawn

    if not told.first:
        return
    drawn = Drawn(box=None, pad_edge=False)
    for title in (["file"] if told.many else []) + ["frame", "formula", "atoms"]:
        drawn.add_column(title, overflow="fold")
    there = [place for place in range(len(columns)) if any(row.values[place] is not None for row in told.first)]
    for place in there:
        drawn.add_column(f"{columns[place].name} ({columns[place].unit})", justify="right")
    for row in told.first:
        said = ["" if (value := row.values[place]) is None else f"{value:.4f}" for place in there]
        drawn.add_row(*([row.file] if told.many else []), str(row.frame), row.formula, str(row.atoms), *said)
    console = Console()
    (console if console.is_terminal else Console(width=10_000)).print(drawn)
    if told.written > len(told.first):
        typer.echo(f"... and {told.written - len(told.first)} more")


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
