"""The command line: one file a command, put together here.

Importing it loads no torch, no ASE and no plugin; each command does so when it runs.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlzoo.cli.console import notices, tell
from mlzoo.cli.md import md
from mlzoo.cli.plugins import plugins
from mlzoo.cli.predict import predict
from mlzoo.cli.relax import relax
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


@app.callback()
def mlzoo(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = None,
) -> None:
    """A zoo of atomistic graph neural networks: energies, forces, relaxation and molecular dynamics."""


app.command()(predict)
app.command()(relax)
app.command()(md)
app.command()(plugins)


def main() -> None:
    app(prog_name="mlzoo")
