"""A table as parquet, made from JSON lines in one go, since a parquet file cannot grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mlzoo.cli.files import one_line, replacing
from mlzoo.cli.tables import TEXT
from mlzoo.errors import UnreadableFile

if TYPE_CHECKING:
    from mlzoo.cli.tables import Layout

ROWS = 10_000  # in memory at a time


def check_installed() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise typer.BadParameter(
            "a parquet table needs pyarrow: `pip install mlzoo[parquet]`, or choose NAME.csv or NAME.jsonl"
        ) from None


def from_lines(lines: Path, out: Path, layout: Layout, provenance: dict[str, Any]) -> None:
    """Turn JSON lines into parquet; the provenance of the model stands in the file's metadata as ``mlzoo``."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(_types(layout), metadata={"mlzoo": json.dumps(provenance)})
    with (
        lines.open(encoding=TEXT[0], errors=TEXT[1]) as file,
        replacing(out) as part,
        parquet.ParquetWriter(part, schema) as writer,
    ):
        for rows in _batches(file):
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))


def back_to_lines(table: Path, lines: Path) -> None:
    """The rows of a parquet table as JSON lines, to go on with."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with replacing(lines) as part, part.open("w", encoding="utf-8") as file:
            for batch in parquet.ParquetFile(table).iter_batches(ROWS):
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())
    except pa.ArrowInvalid as error:
        raise UnreadableFile(f"{table} cannot be gone on with: {one_line(error)}. Choose another -o.") from None


def _types(layout: Layout) -> list[tuple[str, Any]]:
    import pyarrow as pa

    numbers = {column.name for column in layout.numbers}
    kinds = {"frame": pa.int64(), "atoms": pa.int64()} | dict.fromkeys(numbers, pa.float64())
    return [(name, kinds.get(name, pa.string())) for name in layout.names]


def _batches(lines: Iterator[str]) -> Iterator[list[dict[str, Any]]]:
    while batch := [json.loads(line) for line in islice(lines, ROWS)]:
        for row in batch:  # a name that is not UTF-8 cannot be a string there
            row["file"] = row["file"].encode(*TEXT).decode("utf-8", errors="replace")
        yield batch
