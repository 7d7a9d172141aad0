"""The command line: one file a command, put together here.

Importing it loads no torch, no ASE and no plugin; each command does so when it runs.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlzoo.cli.catalogue import info, licenses, list_
from mlzoo.cli.console import notices, tell
from mlzoo.cli.evaluate import evaluate
from mlzoo.cli.fetch import bundle, fetch, lock, unbundle
from mlzoo.cli.md import md
from mlzoo.cli.plugins import plugins
from mlzoo.cli.predict import predict
from mlzoo.cli.relax import relax
from mlzoo.cli.shard import shard
from mlzoo.cli.train import train
from mlzoo.cli.weights import convert, push, verify
from mlzoo.errors import MlzooError

UsageError: Any = typer.BadParameter.__mro__[1]  # of click, of which some versions of typer carry their own copy


class Commands(TyperGroup):
    """Whatever goes wrong on purpose ends as one line on stderr: exit 2, or 130 after Ctrl-C."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])

    def invoke(self, ctx: Any) -> Any:
        with notices():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                tell("interrupted.")
                raise typer.Exit(130) from None
            except BrokenPipeError:  # `mlzoo ... | head`
                raise
            except (MlzooError, OSError) as error:
                tell(f"error: {error}")
                raise typer.Exit(2) from None
            except UsageError as error:
                tell(f"error: {error.format_message().removeprefix('Invalid value: ')}")
                tell(f"`{(getattr(error, 'ctx', None) or ctx).command_path} --help` shows what there is.")
                raise typer.Exit(2) from None


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool | None) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"mlzoo {version('mlzoo')}")
        raise typer.Exit


EXIT_STATUS = """Exit status: 0 when all went well; 1 when something did not, which is named on stderr; 2 for a mistake \
in the command or an error that stopped it; 130 after Ctrl-C."""


@app.callback(epilog=EXIT_STATUS)
def mlzoo(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = None,
) -> None:
    """A zoo of atomistic graph neural networks: energies, forces, relaxation and molecular dynamics."""


COMMANDS: dict[Callable[..., None], str] = {
    list_: "mlzoo list 'm3gnet*' --elements Na,Cl",
    info: "mlzoo info mace-xtb-organic",
    licenses: "mlzoo licenses",
    fetch: "mlzoo fetch m3gnet-mp-2021.2.8-pes",
    predict: "mlzoo predict structures.xyz -o answers.extxyz",
    relax: "mlzoo relax structure.cif -o relaxed.cif --cell",
    md: "mlzoo md structure.cif -o run.traj --ensemble nvt --temperature 600 --steps 100",
    evaluate: "mlzoo evaluate mace-xtb-organic answers.extxyz -o report.html",
    train: "mlzoo train --init mace structures.xyz",
    shard: "mlzoo shard structures.xyz -o shards --cutoff 5",
    verify: "mlzoo verify mace-xtb-organic --dtype float64",
    convert: "mlzoo convert m3gnet-mp-2021.2.8-pes -o my-weight",
    push: "mlzoo push my-weight owner/my-weight",
    lock: "mlzoo lock mace-xtb-organic -o mlzoo.lock",
    bundle: "mlzoo bundle m3gnet-mp-2021.2.8-pes -o zoo.tar",
    unbundle: "mlzoo unbundle zoo.tar",
    plugins: "mlzoo plugins",
}
"""Each command with an example, in the order of the help."""

for command, example in COMMANDS.items():
    app.command(command.__name__.rstrip("_"), epilog=f"Example: {example}")(command)


def main() -> None:
    app(prog_name="mlzoo")
