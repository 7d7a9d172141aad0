"""`mlzoo train`: from a file of settings to a weight with a card."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from mlzoo.cli.console import Progress, table


def train(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="YAML file of settings; with --init the data they are for.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option("--init", metavar="ARCHITECTURE", help="Print settings to begin with: m3gnet, mace, ..."),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the settings.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print what the run would do; nothing is trained.")] = False,
) -> None:
    """Train a model on labelled structures; the same command goes on with a run that was stopped.

    The output folder gets checkpoints, a log, a report of the errors, and the weight, which `mlzoo.load` and every command
    take by its path.
    """
    if schema:
        import json

        from mlzoo.training.settings import TrainSettings

        typer.echo(json.dumps(TrainSettings.model_json_schema(), indent=1))
        return
    if init:
        from mlzoo.training.beginning import beginning

        typer.echo(beginning(init, file))
        return
    if file is None:
        raise typer.BadParameter("give a file of settings; `mlzoo train --init mace data.xyz > config.yaml` writes one")
    from mlzoo.training.run import planned, run
    from mlzoo.training.settings import read_settings

    logging.getLogger("mlzoo").setLevel(logging.INFO)  # a line for each epoch
    settings = read_settings(file)
    if plan:
        table(("plan", ""), list(planned(settings).items()))
        return
    with ExitStack() as stack:
        bars: list[Progress] = []  # made when it is known how many epochs there are

        def show(done: int, epochs: int, text: str) -> None:
            if not bars:
                bars.append(stack.enter_context(Progress("epoch", epochs)))
            bars[0].show(done, text)

        run(settings, show)
