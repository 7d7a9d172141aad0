"""`mlzoo predict`: structures in; a table, or the same structures with energies, forces and stress out.

patterns ──► files ──► chunks ──► rows, from this process or from workers ──► table, structures, stdout
inputs.py              answers.py             workers.py                          tables.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, NoReturn

import typer

from mlzoo.cli import options
from mlzoo.cli.console import Progress, tell
from mlzoo.cli.inputs import Input, chunks, expand
from mlzoo.cli.summary import Pace, Told, print_rows, tell_of_rows, tell_of_table
from mlzoo.cli.tables import Layout, Table, check_table, growing, growing_file, is_table
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
    tabular = out is not None and is_table(out)
    paths = expand(files, [out, growing_file(out)] if out and tabular else [])
    _check_output(out, paths, resume, overwrite)
    many = len(paths) > 1
    opened = None if many or tabular else _opened(Path(paths[0]), index)
    answerer = Answerer(
        Job(
            model, device, dtype, tuple(option or ()), tuple(condition or ()), tuple(properties or ()), index,
            json=as_json, extxyz=out is not None and not tabular, many=many,
        )
    )  # fmt: skip
    if tabular and out and not answerer.columns:
        raise typer.BadParameter(f"no property of those asked for is one number a structure: write {out.stem}.extxyz")

    told, pace = Told(many), Pace()
    with ExitStack() as stack:
        table = write = None
        if out and tabular:
            layout = Layout(answerer.columns, answerer.label)
            table = stack.enter_context(growing(out, layout, resume=resume, provenance=answerer.provenance))
            if table.rows:
                tell(f"going on from {table.rows} row{'s' * (table.rows != 1)} in {out}.")
        elif out:
            write = stack.enter_context(_writer(out))
        if opened is not None:
            todo: Iterable[list[Input]] = [[Input(0, paths[0], opened=opened)]]
        else:
            todo = chunks(paths, table.done if table else {}, _chunk_size(answerer, len(paths), workers), index)
        progress = stack.enter_context(Progress("predict", len(paths) if many else None, seldom=many))
        rows = stack.enter_context(closing(_rows(answerer, todo, min(workers, len(paths)))))
        try:
            for row in rows:
                if as_json:
                    typer.echo(row.json)
                if table is not None:
                    table.append(row)
                else:
                    told.add(row)
                    if write is not None and row.extxyz:
                        write(row.extxyz)
                pace.rows += 1
                progress.show(row.place if many else pace.rows, pace.short)
            progress.show(len(paths) if many else pace.rows, pace.short)
        except (KeyboardInterrupt, MlzooError, OSError) as error:
            if table is None or isinstance(error, BrokenPipeError):
                raise
            _stop(error, table)
    if table is None and not as_json:
        print_rows(told, answerer.columns)
    if many or tabular:
        tell(str(pace))
    if table is not None and out:
        tell_of_table(table, out)
    else:
        tell_of_rows(told, out)
    if table.failed if table is not None else told.failures:
        raise typer.Exit(1)


def _stop(error: BaseException, table: Table) -> NoReturn:
    rows = f"The same command with --resume goes on from the {table.rows} rows in {table.path}."
    if isinstance(error, KeyboardInterrupt):
        tell(f"interrupted. {rows}")
        raise typer.Exit(130) from None
    tell(f"error: {error} {rows}")
    raise typer.Exit(2) from None


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


def _chunk_size(answerer: Answerer, files: int, workers: int) -> int:
    """Files whose structures may share a batch: small enough that each worker gets several."""
    size = CHUNK[answerer.predictor.device.type]
    return size if workers == 1 else max(1, min(size, files // (8 * workers)))


def _rows(answerer: Answerer, todo: Iterable[list[Input]], workers: int) -> Generator[Row, None, None]:
    """Rows in the order of the files, whoever answers."""
    if workers == 1:
        for chunk in todo:
            yield from answerer.rows(chunk)
        return
    import torch

    from mlzoo.cli.workers import in_processes

    threads = max(1, torch.get_num_threads() // workers)
    with closing(in_processes(answerer.job, todo, workers, threads)) as answered:
        for rows in answered:
            yield from rows


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
