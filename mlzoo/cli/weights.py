"""`mlzoo verify`, `convert`, `push`: does a weight give its numbers here, in our layout, on the Hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mlzoo.cli import options
from mlzoo.cli.console import table, tell


def verify(
    name: Annotated[str, typer.Argument(help="Name of a model, or path to a weight.")],
    device: options.Device = "auto",
    dtype: options.Precision = None,
    exact: Annotated[bool, typer.Option("--exact", help="The plain form instead of the kernels.")] = False,
    option: options.Reader = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Rerun the reference values that a weight carries.

    On this machine, in this dtype, on this device, with these kernels. Exit status 1 if one does not hold, or if there are none.
    """
    predictor = options.load_model(name, device, dtype, option, exact=exact)
    found = predictor.verify()
    here = {key: str(predictor.provenance[key]) for key in ("device", "dtype", "kernels")}
    if as_json:
        rows = [{**asdict(each), "holds": each.holds} for each in found]
        typer.echo(json.dumps({"model": predictor.name, **here, "deviations": rows}, indent=1))
    elif found:
        typer.echo(f"{predictor.name} on {here['device']}, {here['dtype']}, kernels {here['kernels']}:")
        table(
            ("property", "largest deviation", "at most", "unit", ""),
            [
                (f"{each.name} per atom" if each.name == "energy" else each.name,
                 f"{each.largest:.1e}", f"{each.tolerance:.0e}", each.unit, "holds" if each.holds else "FAILS")
                for each in found
            ],
        )  # fmt: skip
    if not found:
        tell(f"error: no reference value is known for {predictor.name} as it was loaded.")
    if not found or not all(each.holds for each in found):
        raise typer.Exit(1)


def convert(
    source: Annotated[str, typer.Argument(help="Name of a model, or path to a weight in any format that is read.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    name: Annotated[str | None, typer.Option(help="Name on its card; the folder's by default.")] = None,
    option: options.Reader = None,
    elements: Annotated[str | None, typer.Option(help="Cut it down to these: H,C,O. Others are then refused.")] = None,
) -> None:
    """Write a weight in mlzoo's layout, all of it or some of its elements.

    That is safetensors, JSON, checks with the original code's numbers, card and licence. Exit status 1 if the folder,
    read back, does not give those numbers, or the whole weight not those of a part of it.
    """
    import mlzoo
    from mlzoo import checks
    from mlzoo.cli.files import replacing
    from mlzoo.json_files import read_json

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(f"{out} is there already: give the name of a new folder")
    kept = None if elements is None else elements.replace(",", " ").split()
    predictor = options.load_model(source, "cpu", options.Dtype.float64, option, exact=True, elements=kept)
    with replacing(out) as part:
        predictor.save(part, name or out.name)
        # a lock holds what is published, and not what is just being made
        found = mlzoo.load(part, device="cpu", dtype="float64", exact=True, lock=False).verify()
        if kept:
            whole = options.load_model(source, "cpu", options.Dtype.float64, option, exact=True)
            found += checks.compare(whole, read_json(part / "checks.json"))
        if not all(each.holds for each in found):
            tell(f"error: {source} reads back with other numbers; nothing is left in {out}. Please report this.")
            raise typer.Exit(1)
        if out.exists():
            out.rmdir()
    worst = max(each.largest for each in found)
    typer.echo(f"{out}: {predictor.name} under {predictor.card.terms.name}; read back, largest deviation {worst:.1e}")


def push(
    folder: Annotated[Path, typer.Argument(help="A folder that `mlzoo convert` or training wrote.")],
    repository: Annotated[str, typer.Argument(help="owner/name on the Hub.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository a private one.")] = False,
    revision: Annotated[str | None, typer.Option(help="A branch; main by default.")] = None,
) -> None:
    """Publish a weight on the Hub, with card and licence.

    It has to give its reference values here first.
    """
    from mlzoo import publish

    publish.check(folder)
    options.load_model(str(folder), "cpu", None, None).verify(strict=True)
    where = publish.push(folder, repository, private=private, revision=revision)
    typer.echo(f'published: mlzoo.load("{where}")')
