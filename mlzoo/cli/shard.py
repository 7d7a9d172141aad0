"""`mlzoo shard`: labelled structures into files that training reads one structure at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlzoo.cli import options
from mlzoo.cli.console import tell
from mlzoo.cli.inputs import expand


def shard(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Labelled structures: paths, or patterns in quotes: 'data/*.extxyz'."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="A new folder.")],
    cutoff: Annotated[
        float | None,
        typer.Option("--cutoff", min=0.0, help="Å: find neighbours within it now, for models that have it."),
    ] = None,
    key: options.Key = None,
    size: Annotated[int, typer.Option("--size", min=1, help="Structures in a file, at most.")] = 10_000,
) -> None:
    """Write labelled structures as HDF5, for data beyond memory; the folder is what `data.train` of a training run names.

    Every label is read now: energy, forces and stress under their usual names, any other where --key says.
    """
    from mlzoo.training.data.keys import SPELLINGS, Keys
    from mlzoo.training.data.shards import write_shards

    said = options.keys(key)
    own = {label: name for label, name in said.items() if label in SPELLINGS}
    others = {label: name for label, name in said.items() if label not in SPELLINGS}
    count = write_shards(expand(files), out, Keys.model_validate({**own, "labels": others}), cutoff=cutoff, size=size)
    tell(f"{count} structures in {out}")
