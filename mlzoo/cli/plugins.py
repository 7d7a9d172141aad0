"""`mlzoo plugins`: what is installed, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from mlzoo.cli.console import table

if TYPE_CHECKING:
    from mlzoo.registry import Plugin


@dataclass(frozen=True)
class Row:
    name: str
    package: str
    version: str
    state: str  # "ok", "broken" or "too new"
    why: str | None


def plugins(as_json: Annotated[bool, typer.Option("--json", help="A JSON list instead of a table.")] = False) -> None:
    """List the installed plugins and whether each can be used."""
    from mlzoo import registry

    rows = [_row(plugin) for plugin in registry.plugins()]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=1))
        return
    table(("name", "package", "version", "state"), [(row.name, row.package, row.version, row.state) for row in rows])
    for row in rows:
        if row.why:
            typer.echo(row.why)


def _row(plugin: Plugin) -> Row:
    problem = plugin.problem  # imports it
    state = "ok" if problem is None else "too new" if "is too new" in problem else "broken"
    return Row(plugin.name, plugin.package, plugin.version, state, problem)
