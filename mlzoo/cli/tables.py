"""A table that grows row by row on the disk, and goes on after whatever ended it.

| ending | what |
|---|---|
| ``.csv`` | a line a row |
| ``.jsonl`` | a JSON object a row, with null where there is no value |
| ``.parquet`` | grows as JSON lines in ``NAME.parquet.part.jsonl``, and becomes parquet when all is there |

Each row says which structure it is about, with which model, and what went wrong if something did. A row is appended as
a whole: whatever ends the run leaves at most one torn line, the last.
"""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import typer

from mlzoo.cli.console import tell
from mlzoo.errors import MlzooError

if TYPE_CHECKING:
    from mlzoo.cli.answers import Column, Row

ENDINGS = (".csv", ".jsonl", ".parquet")
NAMED = 20  # errors that are kept to be named at the end
SYNC = 1.0  # s between two times that the disk is waited for
TEXT = ("utf-8", "surrogateescape")  # names of files may be any bytes


class OtherTable(MlzooError, ValueError):
    """A table that is there and does not fit what would be added to it."""


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are."""

    numbers: tuple[Column, ...]
    model: str  # stands in each row

    @property
    def names(self) -> list[str]:
        numbers = [name for column in self.numbers for name in (column.name, f"{column.name}_unit")]
        return ["file", "frame", "formula", "atoms", *numbers, "model", "error"]

    def cells(self, row: Row) -> list[Any]:
        """In the order of the names."""
        numbers = [
            cell for column, value in zip(self.numbers, row.values, strict=True) for cell in (value, column.unit)
        ]
        return [row.file, row.frame, row.formula or None, row.atoms, *numbers, self.model, row.error or None]


def is_table(out: Path) -> bool:
    return out.suffix in ENDINGS


def growing_file(out: Path) -> Path:
    """The file that rows are appended to."""
    return out.with_name(out.name + ".part.jsonl") if out.suffix == ".parquet" else out


def check_table(out: Path, inputs: Iterable[str], resume: bool, overwrite: bool) -> None:
    """Refuse before any work what could not be written, and what would delete a table."""
    broken = next((path for path in inputs if "\n" in path), None) if out.suffix == ".csv" else None
    if broken:
        raise typer.BadParameter(f"{broken!r} does not fit into a line of {out}. Rename it, or write {out.stem}.jsonl")
    if resume and overwrite:
        raise typer.BadParameter("--resume goes on with what is there, --overwrite deletes it: choose one")
    if out.suffix == ".parquet":
        from mlzoo.cli.parquet import check_installed

        check_installed()
    for path in (out, growing_file(out)):
        if path.exists() and path.stat().st_size and not (resume or overwrite):
            raise typer.BadParameter(f"{path} is there already: --resume goes on with it, --overwrite starts anew")


class Table:
    """Rows on the disk, counted."""

    def __init__(self, file: BinaryIO, path: Path, layout: Layout):
        self.rows = 0
        self.failed = 0
        self.failures: list[str] = []  # the first few
        self.done: dict[str, list[int]] = {}  # frames of each file, by absolute path, that were there at the start
        self._file = file
        self.path = path
        self._layout = layout
        self._text: _Text = _Csv(layout) if path.suffix == ".csv" else _JsonLines(layout)
        self._synced = time.monotonic()
        self._take_up()

    def append(self, row: Row) -> None:
        """It is in the file when this returns, and on the disk within about a second."""
        self._file.write(self._text.line(row))
        self._file.flush()
        self._count(row.file, row.frame, row.error)
        if time.monotonic() - self._synced > SYNC:
            self.sync()

    def sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _count(self, file: str, frame: int, error: str | None) -> None:
        self.rows += 1
        if error:
            self.failed += 1
            if len(self.failures) < NAMED:
                self.failures.append(f"{file}{f', frame {frame}' if frame else ''}: {error}")

    def _take_up(self) -> None:
        """Read what is there, refuse what does not fit, cut off a last line that is torn."""
        end = 0
        torn = 0  # number of a line that says nothing; only the last may
        self._file.seek(0)
        for number, line in enumerate(self._file, 1):
            if torn:
                raise OtherTable(f"line {torn} of {self.path} is no row of a table. Repair it, or choose another -o.")
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("it does not end")
                said = self._text.read(line.decode(*TEXT), first=number == 1)
                if said is not None:
                    self._remember(said)
            except OtherTable:
                raise
            except (ValueError, csv.Error):
                torn = number
                if number == 1 and not line.startswith(self._text.start[: len(line)]):
                    raise OtherTable(f"{self.path} is there and is no table of ours. Choose another -o.") from None
                continue
            end += len(line)
        if torn:
            tell(f"warning: the last line of {self.path} is torn; going on from there.")
            self._file.truncate(end)
        self._file.seek(0, os.SEEK_END)
        if not end:
            self._file.write(self._text.head)

    def _remember(self, said: dict[str, Any]) -> None:
        if said["model"] != self._layout.model:
            raise OtherTable(
                f"{self.path} has rows of {said['model']}, and these would be of {self._layout.model}: they cannot be "
                "compared. Choose another -o for them, or --overwrite."
            )
        self.done.setdefault(os.path.abspath(said["file"]), []).append(int(said["frame"]))
        self._count(said["file"], int(said["frame"]), said["error"])


@contextmanager
def growing(out: Path, layout: Layout, *, resume: bool, provenance: dict[str, Any]) -> Iterator[Table]:
    """The table in ``out``, anew or going on. Raises :class:`OtherTable` where the one there does not fit."""
    path = growing_file(out)
    if not resume:
        path.unlink(missing_ok=True)
        out.unlink(missing_ok=True)
    elif out != path and out.exists() and not path.exists():
        from mlzoo.cli.parquet import back_to_lines

        back_to_lines(out, path)
    with path.open("a+b") as file:
        _lock(file, path)
        table = Table(file, path, layout)
        try:
            yield table
        finally:
            file.flush()
            table.sync()
    if out != path:
        from mlzoo.cli.parquet import from_lines

        from_lines(path, out, layout, provenance)
        path.unlink()


class _Text(Protocol):
    """How rows are written in a text file, and read again."""

    @property
    def head(self) -> bytes:
        """What stands above the rows."""

    @property
    def start(self) -> bytes:
        """What such a file begins with."""

    def line(self, row: Row) -> bytes:
        """A row, with the end of its line."""

    def read(self, line: str, first: bool) -> dict[str, Any] | None:
        """A row; None for a line that is none. Raises ValueError for a line that is torn."""


class _Csv:
    def __init__(self, layout: Layout):
        self._layout = layout
        self._names = layout.names

    @property
    def head(self) -> bytes:
        return self._encoded(self._names)

    @property
    def start(self) -> bytes:
        return self.head

    def line(self, row: Row) -> bytes:
        return self._encoded(self._layout.cells(row))

    def read(self, line: str, first: bool) -> dict[str, Any] | None:
        (cells,) = csv.reader([line])
        if first:
            _check_names(cells, self._names)
            return None
        return dict(zip(self._names, cells, strict=True))

    def _encoded(self, cells: Sequence[Any]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        return text.getvalue().encode(*TEXT)


class _JsonLines:
    head = b""
    start = b'{"file": '

    def __init__(self, layout: Layout):
        self._layout = layout
        self._names = layout.names

    def line(self, row: Row) -> bytes:
        said = dict(zip(self._names, self._layout.cells(row), strict=True))
        return (json.dumps(said, ensure_ascii=False, allow_nan=False) + "\n").encode(*TEXT)

    def read(self, line: str, first: bool) -> dict[str, Any] | None:
        said = json.loads(line)
        if not isinstance(said, dict):
            raise ValueError("no object")
        _check_names(list(said), self._names)
        return said


def _check_names(there: Sequence[str], ours: Sequence[str]) -> None:
    if list(there) != list(ours):
        raise OtherTable(
            f"the table that is there has the columns {', '.join(there)}, and these rows have {', '.join(ours)}. "
            "Choose another -o for them, or the same --properties as before, or --overwrite."
        )


def _lock(file: BinaryIO, path: Path) -> None:
    """One run at a time; the lock ends with the process that holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    with suppress(OSError):  # a file system without locks
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OtherTable(
                f"{path} is being written by another run. Wait for its end, or choose another -o."
            ) from None
