"""`mlzoo predict`: structures in; a table, or the same structures with energies, forces and stress out.

patterns ──► files ──► chunks ──► rows, from this process or from workers ──► table, structures, stdout
inputs.py              answers.py             workers.py                          tables.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from mlzoo.cli import options
from mlzoo.cli.console import Progress, tell
from mlzoo.cli.inputs import Input, chunks, expand
from mlzoo.cli.summary import Pace, Told, counted, print_rows, tell_of_rows, tell_of_table
from mlzoo.cli.tables import Layout, check_table, growing, growing_file, is_table
from mlzoo.errors import MlzooError

if TYPE_CHECKING:
    from mlzoo.cli.answers import Answerer, Row
    from mlzoo.cli.files import FrameRead

CHUNK = {"cpu": 64, "cuda": 1024}
"""Files whose structures may share a batch."""


def predict(
    files: options.Files,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="NAME.csv, .jsonl or .parquet: a row a structure; NAME.extxyz: structures with results."
        ),
    ] = None,
    model: options.Model = options.DEFAULT_MODEL,
    properties: Annotated[
        list[str] | None,
        typer.Option("--properties", "-p", help="energy,forces,...; all the model predicts by default."),
    ] = None,
    condition: options.Condition = None,
    index: Annotated[
        str, typer.Option("--index", help="Frames of each FILE: a number or a slice, such as 0, -1, 10:20.")
    ] = ":",
    workers: Annotated[
        int, typer.Option("--workers", help="Processes that share the work, each with the model in memory.", min=1)
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the table that is there, adding what it lacks.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete a table that is there.")] = False,
    device: options.Device = "auto",
    dtype: options.Precision = None,
    option: options.Reader = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a structure on stdout, everything in it.")
    ] = False,
) -> None:
    """Predict for all frames of files, one or thousands.

    Energy (eV), forces (eV/Å), stress (eV/Å³, ASE's sign: positive in tension) and whatever else the model predicts.

    What fails does not stop the others: it is named at the end and in the table, and the exit status is 1.
    """
    from mlzoo.cli.answers import Answerer, Job
    from mlzoo.cli.files import parse_index

    parse_index(index)
    table = out if out is not None and is_table(out) else None
    paths = expand(files, [table, growing_file(table)] if table else [])
    _check_output(out, paths, resume, overwrite)
    many = len(paths) > 1
    opened = None if many or table else _opened(Path(paths[0]), index)
    job = Job(
        model, device, dtype, tuple(option or ()), tuple(condition or ()), tuple(properties or ()), index,
        json=as_json, extxyz=out is not None and table is None, many=many,
    )  # fmt: skip
    run = Run(Answerer(job), paths, workers, opened)
    failed = _fill(table, run, resume) if table else _answer(run, out)
    if failed:
        raise typer.Exit(1)


@dataclass
class Run:
    """All files answered once, as a person at a terminal sees it."""

    answerer: Answerer
    paths: list[str]
    workers: int
    opened: Iterator[FrameRead] | None = None  # frames of the only file
    pace: Pace = field(default_factory=Pace)

    def rows(self, done: Mapping[str, Sequence[int]]) -> Generator[Row, None, None]:
        """Row after row, without the frames of files (by absolute path) that are ``done``."""
        job, total = self.answerer.job, len(self.paths)
        if self.opened is not None:
            todo: Iterable[list[Input]] = [[Input(0, self.paths[0], opened=self.opened)]]
        else:
            todo = chunks(self.paths, done, self._files_in_a_chunk(), job.index)
        self.pace = Pace()
        progress = Progress("predict", total if job.many else None, seldom=job.many)
        with progress, closing(self._from_anywhere(todo)) as rows:
            for row in rows:
                if job.json:
                    typer.echo(row.json)
                yield row
                self.pace.rows += 1
                progress.show(row.place if job.many else self.pace.rows, self.pace.short)
            progress.show(total if job.many else self.pace.rows, self.pace.short)

    def _from_anywhere(self, todo: Iterable[list[Input]]) -> Generator[Row, None, None]:
        """In the order of the files, whoever answers."""
        workers = min(self.workers, len(self.paths))
        if workers == 1:
            for chunk in todo:
                yield from self.answerer.rows(chunk)
            return
        import torch

        from mlzoo.cli.workers import in_processes

        threads = max(1, torch.get_num_threads() // workers)
        with closing(in_processes(self.answerer.job, todo, workers, threads)) as answered:
            for rows in answered:
                yield from rows

    def _files_in_a_chunk(self) -> int:
        """Few enough that each worker gets several chunks."""
        most = CHUNK[self.answerer.predictor.device.type]
        return most if self.workers == 1 else max(1, min(most, len(self.paths) // (8 * self.workers)))


# Where the rows go; whether one of them has an error


def _fill(out: Path, run: Run, resume: bool) -> bool:
    """Into a table."""
    answerer = run.answerer
    if not answerer.columns:
        raise typer.BadParameter(f"no property of those asked for is one number a structure: write {out.stem}.extxyz")
    layout = Layout(answerer.columns, answerer.label)
    with growing(out, layout, resume=resume, provenance=answerer.provenance) as table:
        if table.rows:
            tell(f"going on from {counted(table.rows, 'row')} in {out}.")
        try:
            with closing(run.rows(table.done)) as rows:
                for row in rows:
                    table.append(row)
        except BrokenPipeError:  # of stdout
            raise
        except (KeyboardInterrupt, MlzooError, OSError) as error:
            stopped = isinstance(error, KeyboardInterrupt)
            there = f"{counted(table.rows, 'row')} in {table.path}"
            tell(
                f"{'interrupted.' if stopped else f'error: {error}'} The same command with --resume goes on from {there}."
            )
            raise typer.Exit(130 if stopped else 2) from None
    tell(str(run.pace))
    tell_of_table(table, out)
    return table.failed > 0


def _answer(run: Run, out: Path | None) -> bool:
    """On stdout, the structures in a file."""
    job = run.answerer.job
    told = Told(job.many)
    with ExitStack() as stack:
        write = stack.enter_context(_writer(out)) if out else None
        for row in stack.enter_context(closing(run.rows({}))):
            told.add(row)
            if write is not None and row.extxyz:
                write(row.extxyz)
    if not job.json:
        print_rows(told, run.answerer.columns)
    if job.many:
        tell(str(run.pace))
    tell_of_rows(told, out)
    return bool(told.failures)


@contextmanager
def _writer(out: Path) -> Iterator[Callable[[str], None]]:
    """Writes structures; the file is opened with the first, and in place when the last is written."""
    from mlzoo.cli.files import replacing

    with replacing(out) as part, ExitStack() as stack:
        file: IO[str] | None = None

        def write(text: str) -> None:
            nonlocal file
            file = file or stack.enter_context(part.open("w", encoding="utf-8"))
            file.write(text)

        yield write


# Before any work


def _check_output(out: Path | None, paths: Iterable[str], resume: bool, overwrite: bool) -> None:
    """Refuse before any work what could not be written."""
    from mlzoo.cli.files import check_output, output_format

    if resume and not (out and is_table(out)):
        raise typer.BadParameter("--resume goes on with a table: name one, -o NAME.csv for example")
    if out is None:
        return
    check_output(out)
    for path in paths if out.exists() else ():
        check_output(out, Path(path))
    if is_table(out):
        check_table(out, paths, resume, overwrite)
    elif output_format(out) != "extxyz":
        raise typer.BadParameter(
            f"{out}: predict writes extxyz, or a table: call it {out.stem}.extxyz, .csv, .jsonl or .parquet"
        )


def _opened(path: Path, index: str) -> Iterator[FrameRead]:
    """The frames of the only file, which is told before a model is loaded if it cannot be read."""
    from itertools import chain

    from mlzoo.cli.files import read_frames

    frames = read_frames(path, index)
    return chain([next(frames)], frames)
